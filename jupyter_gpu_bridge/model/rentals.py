"""The words for what was rented: a wish, the attempts to fill it, and what happened to each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import NewType

from jupyter_gpu_bridge.model.clouds import Ref
from jupyter_gpu_bridge.model.market import Offer, Order
from jupyter_gpu_bridge.model.money import Money

CONSOLE = "console"

WishId = NewType("WishId", str)
AttemptId = NewType("AttemptId", str)
"""128 random bits, in hexadecimal."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody wants one machine, until it is said otherwise; at most one at a time is ever rented for it."""

    wish_id: WishId
    key: str
    """What it is for, for example a profile: each installation has one open wish for it."""
    order: Order
    asked: datetime
    asked_by: str = ""
    installation: str = ""
    """Of whoever asked: the keys to its machine are there, and nowhere else."""
    closed: datetime | None = None
    closed_because: str = ""

    @property
    def is_open(self) -> bool:
        return self.closed is None


class RentalState(Enum):
    INTENT = "intent"
    """Written down; nothing was sent."""
    REQUESTED = "requested"
    """The request is, or may be, on its way."""
    UNKNOWN = "unknown"
    """Nobody knows whether there is a machine."""
    CREATED = "created"
    """There is a machine, and its id is known."""
    REACHABLE = "reachable"
    IN_USE = "in_use"
    RELEASING = "releasing"
    """To be destroyed, or destroyed and not yet seen to be gone."""
    GONE = "gone"

    @property
    def is_live(self) -> bool:
        """Something may be billed."""
        return self is not RentalState.GONE


@dataclass(frozen=True, slots=True)
class Rental:
    """One attempt to fill a wish at one provider, and the machine that came of it; a row of the ledger."""

    attempt_id: AttemptId
    wish_id: WishId
    state: RentalState
    provider: str
    account: str
    """Fingerprint of the account, so that only its own keys are used for it."""
    offer: Offer
    name: str
    price: Money
    """Per hour: the higher of what was quoted and what is billed."""
    cap: Money | None
    worst_case: Money
    accrued: Money
    deadline: datetime
    written: datetime
    requested: datetime | None = None
    created: datetime | None = None
    accrued_until: datetime | None = None
    gone: datetime | None = None
    ref: Ref | None = None
    address: str = ""
    port: int = 22
    user: str = ""
    host_key: str = ""
    """Public half: `TYPE BASE64`."""
    lease_until: datetime | None = None
    has_returned: bool = False
    """It was gone, as far as we knew, and is only to be ended; its wish may have another machine by now."""
    reason: str = ""
    """Why it is being released or is gone, or what has failed where it is kept, as a sentence."""

    @property
    def is_dearer(self) -> bool:
        """Its price has risen since it was rented."""
        return self.price > self.offer.price

    @property
    def ceiling(self) -> Money | None:
        """What it must not come to: its budget, or without one what was shown before it was rented.

        The latter follows from price and deadline, and so is no limit of its own until the price rises.
        """
        return self.worst_case if self.cap is None and self.is_dearer else self.cap

    @property
    def is_kept(self) -> bool:
        """Its set-up failed, and it is left to be looked at until its deadline."""
        return self.state is RentalState.CREATED and bool(self.reason)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a wish or to one of its rentals."""

    at: datetime
    wish_id: WishId
    attempt_id: AttemptId | None
    kind: str
    """A stage (`renting`, `booting`, ...), or `warning`, `settled`, `limit`, `state`, `extended`, `console`."""
    text: str

    @property
    def is_console(self) -> bool:
        """Lines that the machine itself has written: whatever they say, it is not we who say it."""
        return self.kind == CONSOLE
