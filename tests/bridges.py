"""A bridge without machines, to see what a front end asks of it and what it makes of the answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from jupyter_gpu_bridge.bridge import AskPassphrase, Bridge, ConfirmHostKey, Standing
from jupyter_gpu_bridge.errors import (
    BridgeError,
    HostKeyChanged,
    HostKeyUnknown,
    KernelUnknown,
    NothingFits,
    PassphraseNeeded,
    RentalUnknown,
)
from jupyter_gpu_bridge.machine.link import Report
from jupyter_gpu_bridge.market.browse import sift
from jupyter_gpu_bridge.market.columns import Columns
from jupyter_gpu_bridge.market.conditions import conditions
from jupyter_gpu_bridge.market.intent import completed
from jupyter_gpu_bridge.market.lessons import NOTHING, Lessons
from jupyter_gpu_bridge.model import (
    Event,
    Health,
    Host,
    KernelId,
    MachineView,
    Need,
    Offer,
    Order,
    Rental,
    Stage,
    WishId,
)
from jupyter_gpu_bridge.model.query import Answer, Page, Query
from jupyter_gpu_bridge.providers.hosts import Hosts
from jupyter_gpu_bridge.rentals.quote import Quote, quote


@dataclass
class ScriptedBridge(Bridge):
    """Profiles and hosts are real; machines, kernels and rentals are what the test says."""

    views: Sequence[MachineView] = ()
    trouble: BridgeError | Exception | None = None
    alive: dict[str, bool | Exception] = field(default_factory=dict)
    left: list[Sequence[KernelId]] = field(default_factory=list)
    stopped: list[KernelId] = field(default_factory=list)
    names: dict[KernelId, str] = field(default_factory=dict)

    asleep: Sequence[MachineView] = ()
    """Machines whose kernels are seen only by who wakes them."""
    unconfirmed: set[KernelId] = field(default_factory=set)
    """Kernels on machines that cannot be told now that they are to end."""
    host_key: str = ""
    """A key that somebody has to confirm before a host can be checked."""
    key_error: type[HostKeyUnknown | HostKeyChanged] = HostKeyUnknown
    is_revoked: bool = False
    passphrase: str = ""
    standings: Sequence[Standing] = ()
    """The newest first, as from a ledger; those that are over were so a moment ago."""
    events: Sequence[Event] = ()
    offers: Sequence[Offer] = ()
    lessons: Lessons = NOTHING
    market: Sequence[Offer] = ()
    """What can be looked at."""
    lacking: str = ""
    lacking_at: Mapping[str, str] = field(default_factory=dict)
    """What providers cannot promise."""
    well: Health = field(default_factory=lambda: Health([]))
    done: list[str] = field(default_factory=list)
    """What was asked about the health of providers, in order."""

    async def page(self, query: Query, within: timedelta) -> Page:
        rows, fitting, excluded = sift(query, conditions(completed(query.need)), [Columns(self.market)])
        answer = Answer("all", len(self.market), timedelta(), is_stale=False, silent="", after=timedelta())
        return Page(rows, fitting, [answer], [], excluded)

    async def health(self) -> Health:
        self.done.append("health")
        return self.well

    async def health_seen(self) -> Health:
        self.done.append("health seen")
        return self.well

    def reset_provider(self, name: str) -> None:
        self.done.append(f"reset {name}")

    def forget_offers(self, provider: str = "") -> None:
        self.done.append(f"forget {provider}")

    def change_host(self, host: Host) -> None:
        Hosts().change(host)

    async def check_host(
        self,
        name: str,
        *,
        confirm: ConfirmHostKey | None = None,
        ask: AskPassphrase | None = None,
        fingerprint: str | None = None,
    ) -> AsyncIterator[Stage]:
        host = Hosts().get(name)
        yield Stage("connecting", f"connecting to {name}")
        if self.trouble:
            raise self.trouble
        shown = {"host": host.address, "port": "22", "fingerprint": self.host_key, "key": "ssh-ed25519 AAAA"}
        if self.key_error is HostKeyChanged and not self.is_revoked:
            shown["known_fingerprints"] = "SHA256:before"
        unknown = self.key_error("This is not the key that we know.", advice="Ask its owner.", details=shown)
        if self.host_key and (confirm is None or not confirm(unknown)):
            raise unknown
        if self.passphrase and (ask is None or ask("/the/key") != self.passphrase):
            raise PassphraseNeeded("The key is locked.", advice="Give its passphrase.")
        yield Stage("ready", f"{name} can be used")

    async def machines(self, *, wake: bool = False) -> Sequence[MachineView]:
        if self.trouble:
            raise self.trouble
        return [*self.views, *(self.asleep if wake else ())]

    async def attach(self, kernel_id: KernelId) -> Path:
        return Path("/run/kernel.json")

    async def stop_kernel(self, kernel_id: KernelId) -> bool:
        await self._known(kernel_id)
        self.stopped.append(kernel_id)
        return kernel_id not in self.unconfirmed

    async def kernel_log(self, kernel_id: KernelId) -> str:
        await self._known(kernel_id)
        return "it said this\n"

    async def surviving(self, kernel_id: KernelId) -> bool:
        answer = self.alive.get(kernel_id, False)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def server_exits(self, kernel_ids: Sequence[KernelId]) -> None:
        if self.trouble:
            raise self.trouble
        self.left.append(kernel_ids)

    async def kernel_renamed(self, kernel_id: KernelId, path: str) -> None:
        self.names[kernel_id] = path

    async def search(self, need: Need) -> Sequence[Offer]:
        if not self.offers:
            raise NothingFits("Nothing is offered now.")
        return self.offers

    async def quote(self, order: Order) -> Quote:
        return quote(order, await self.search(order.need), self.lessons)

    async def arrive(self, standing: Standing, report: Report) -> Standing:
        return standing

    async def install_guard(self) -> str:
        return "cron runs the guard every 5 minutes."

    async def gaps(self, provider: str) -> str:
        return self.lacking_at.get(provider, self.lacking)

    async def rentals(self, *, ended: bool = False) -> Sequence[Standing]:
        if self.trouble:
            raise self.trouble
        return [self._warned(each) for each in self.standings if ended or not each.is_over]

    async def lost_rentals(self) -> str:
        return ""

    async def may_return(self) -> bool:
        return False

    async def rentals_lately(self) -> Sequence[Standing]:
        return await self.rentals(ended=True)

    async def rental(self, start: str) -> Standing:
        for standing in await self.rentals(ended=True):
            if standing.wish.wish_id.startswith(start):
                return standing
        raise RentalUnknown(f"There is no rental {start!r}.", advice="See: jupyter gpu ls")

    async def rental_events(self, wish_id: WishId) -> Sequence[Event]:
        return [event for event in self.events if event.wish_id == wish_id]

    async def end_rental(self, wish_id: WishId, because: str) -> bool:
        standing = await self.rental(wish_id)
        closed = replace(standing.wish, closed=datetime.now(timezone.utc), closed_because=because)
        self._put(replace(standing, wish=closed))
        return standing.wish.is_open

    async def end_rentals(self, wish_ids: Sequence[WishId], because: str) -> Mapping[WishId, str]:
        for wish_id in wish_ids:
            await self.end_rental(wish_id, because)
        return {}

    async def extend_rental(self, wish_id: WishId, more: timedelta) -> Rental:
        standing = await self.rental(wish_id)
        if standing.rental is None:
            raise RentalUnknown("There is no machine of that id now.", advice="See: jupyter gpu ls")
        extended = replace(standing.rental, deadline=standing.rental.deadline + more)
        self._put(replace(standing, rental=extended))
        return extended

    def _warned(self, standing: Standing) -> Standing:
        about = [each for each in self.events if each.wish_id == standing.wish.wish_id]
        known = Standing.of(standing.wish, [] if standing.rental is None else [standing.rental], about)
        return replace(known, earlier=standing.earlier)

    def _put(self, changed: Standing) -> None:
        wish_id = changed.wish.wish_id
        self.standings = [changed if each.wish.wish_id == wish_id else each for each in self.standings]

    async def _known(self, kernel_id: KernelId) -> None:
        if kernel_id not in {kernel.kernel_id for kernel in await self.kernels(wake=True)}:
            raise KernelUnknown(f"There is no kernel {kernel_id!r}.", advice="Look at: jupyter gpu kernels")
