"""What a cloud is to us: six verbs, and traits that say what can be promised there.

An adapter only translates. It raises what `errors.py` has for it: `NoCapacity` and `Refused` for a clear no,
`KeyRefused` for a bad key, and `Unclear` when nobody knows whether it was done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import NewType, Protocol

from jupyter_gpu_bridge.model.market import Need, Offer
from jupyter_gpu_bridge.model.money import Money
from jupyter_gpu_bridge.model.removal import RemovalStep

Ref = NewType("Ref", str)
"""The provider's own id of a machine."""


_GUARD = "Have the guard installed: jupyter gpu guard install"


@dataclass(frozen=True, slots=True)
class Traits:
    """What this cloud can do. Whatever it lacks is told to the user before the first click."""

    title: str
    removal: tuple[RemovalStep, ...] = ()
    """How a machine that nobody can reach any more ends its own bill; without a step it has no way to."""
    limits_at_create: bool = False
    """It takes a time limit with the order, and ends the machine by itself."""
    puts_off: bool = False
    """That limit can be moved later: see `PutsOff`. Where it cannot, no deadline can be put off."""
    tells_bill: bool = False
    """It says what a machine has cost in all, which may be more than its price comes to: see `TellsBill`."""
    tells_log: bool = False
    """It tells what a machine has written on its own console: see `TellsLog`."""
    has_spot: bool = False
    bills_stopped: bool = True
    """A machine that is only stopped still costs something."""
    takes_host_key: bool = True
    """A start script can give the machine the host key that we made."""
    boot_limit: timedelta = timedelta(minutes=10)
    """After so long a machine that does not run never will."""
    login_limit: timedelta = timedelta(minutes=5)
    """After so long a machine that runs and cannot be entered never will."""
    listing_lag: timedelta = timedelta(seconds=60)
    """A new machine is in the listing after so long at the latest."""
    console: str = ""
    """Where its machines can be ended by hand."""
    is_pretend: bool = False

    @property
    def ends_alone(self) -> bool:
        """Something ends its machines while everything of ours is dead, sooner or later."""
        return bool(self.removal) or self.limits_at_create

    def gaps(self) -> str:
        """What ends a machine elsewhere while everything of ours is dead, and does not here; empty: nothing is lacking.

        Machines that cost something when they are only stopped are no gap by themselves, for ours are never stopped.
        """
        if self.removal and self.limits_at_create:
            return ""
        if self.removal:
            return (
                f"{self.title} takes no time limit: if this computer is off, only the machine's own lease ends it. "
                f"{_GUARD}"
            )
        stopped = " Switching it off does not end its bill." if self.bills_stopped else ""
        alone = (
            "only the time limit at its provider does, at the deadline"
            if self.limits_at_create
            else "it runs until somebody ends it"
        )
        return f"{self.title} cannot end this machine by itself: if this computer is off, {alone}.{stopped} {_GUARD}"


@dataclass(frozen=True, slots=True)
class Account:
    """Whose key it is. The fingerprint tells accounts apart and does not give the key away."""

    fingerprint: str
    title: str = ""
    balance: Money | None = None


@dataclass(frozen=True, slots=True)
class CreatePlan:
    """All that a cloud has to be told to make one machine."""

    offer: Offer
    name: str
    """Unique, and recognisable as ours: see `naming`."""
    public_key: str
    """One line of authorized_keys."""
    start_script: str = field(repr=False)
    """POSIX shell, run once as the machine boots; holds the private half of its host key."""
    limit: timedelta
    """For clouds that end a machine by themselves."""
    image: str | None = None
    cuda: str = ""
    """At least this version is demanded of the host's driver; for clouds that choose the host themselves."""


@dataclass(frozen=True, slots=True)
class Created:
    """The answer to a create."""

    ref: Ref


class SeenState(Enum):
    BOOTING = "booting"
    RUNNING = "running"
    STOPPED = "stopped"
    ENDING = "ending"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Seen:
    """One machine, as its provider shows it."""

    ref: Ref
    name: str
    state: SeenState
    is_billed: bool
    price: Money | None = None
    """Per hour, where the provider says it: it may be more than was quoted."""
    address: str = ""
    port: int = 22
    user: str = "root"
    host: str = ""
    reclaim_at: datetime | None = None
    """When the provider will take it back, if it has said so."""
    detail: str = ""


class Provider(Protocol):
    """A cloud. Each call is one request on the wire, or a few that only read; none waits for anything to happen."""

    name: str
    traits: Traits

    async def check(self) -> Account:
        """Raises `KeyRefused`."""

    async def offers(self, need: Need) -> Sequence[Offer]:
        """At least all that fit; more do no harm."""

    async def create(self, plan: CreatePlan) -> Created:
        """Sent once. Raises `NoCapacity`, `Refused`, `KeyRefused`; anything else means that nobody knows: `Unclear`."""

    async def get(self, ref: Ref) -> Seen | None:
        """`None`: the provider says that there is no such machine. Raises `Unclear` when it does not say."""

    async def list(self) -> Sequence[Seen]:
        """Every machine of the account whose name bears our prefix, in one call (or one for each page)."""

    async def destroy(self, ref: Ref) -> None:
        """Idempotent: one that is not there is destroyed. Raises `KeyRefused` or `Unclear`."""

    async def close(self) -> None:
        """No more calls follow."""


class PutsOff(Protocol):
    """What a cloud with `traits.puts_off` can do besides."""

    async def put_off(self, ref: Ref, limit: timedelta) -> None:
        """Its time limit from now on, counted as that of `CreatePlan` was: from its creation. Idempotent.

        Raises `Refused`, `KeyRefused`, `Unclear`.
        """


class TellsBill(Protocol):
    """What a cloud with `traits.tells_bill` can do besides."""

    async def bill(self, ref: Ref, since: datetime) -> Money:
        """All that it has billed for this machine until now, with disks and traffic; nothing as long as it has not.

        `since`: it was not there before. Also of a machine that is gone. Raises `KeyRefused`, `Unclear`.
        """


class TellsLog(Protocol):
    """What a cloud with `traits.tells_log` can do besides."""

    async def last_lines(self, ref: Ref) -> str:
        """What this machine has written last on its own console, or in its container's log; empty: nothing yet.

        Asked once, of a machine that cannot be used, within seconds and just before it is destroyed. Whatever is
        raised is said nowhere but in the log.
        """
