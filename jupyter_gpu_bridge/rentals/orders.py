"""What anybody may ask for about rented machines: to have one, to have it no more, and how things stand."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from jupyter_gpu_bridge import settings
from jupyter_gpu_bridge.errors import (
    BadRequest,
    BridgeError,
    CloudError,
    KeptForDebugging,
    LedgerBroken,
    LinkLost,
    RentalEnded,
    RentalUnknown,
)
from jupyter_gpu_bridge.machine.link import Report, links
from jupyter_gpu_bridge.marks import reached
from jupyter_gpu_bridge.model import (
    Event,
    GpuCompared,
    MachineRef,
    Order,
    Rental,
    RentalState,
    Wish,
    WishId,
)
from jupyter_gpu_bridge.providers import dates
from jupyter_gpu_bridge.rentals.book import Book
from jupyter_gpu_bridge.rentals.clock import clock_of_environment
from jupyter_gpu_bridge.rentals.costs import CostRow, CostsBy
from jupyter_gpu_bridge.rentals.experience import tell_measured
from jupyter_gpu_bridge.rentals.extending import extend
from jupyter_gpu_bridge.rentals.installation import installation_id
from jupyter_gpu_bridge.rentals.ledger import Ledger
from jupyter_gpu_bridge.rentals.lost import LOOK, LOST, is_lost
from jupyter_gpu_bridge.rentals.order_words import check_order
from jupyter_gpu_bridge.rentals.reach import machine_of_wish, target_of
from jupyter_gpu_bridge.rentals.reconcile import FOUND, KEPT
from jupyter_gpu_bridge.rentals.standing import TOLD, Standing, standings
from jupyter_gpu_bridge.rentals.waking import wake

if TYPE_CHECKING:
    from jupyter_gpu_bridge.rentals.guard import Round
    from jupyter_gpu_bridge.rentals.quote import Quote


class Orders:
    """Of one process; see `orders()`."""

    def __init__(self) -> None:
        self._book: Book | None = None
        self._opening = threading.Lock()

    async def quote(self, order: Order) -> Quote:
        """What it would come to now. Raises `NothingFits`."""
        from jupyter_gpu_bridge.rentals import shopping

        return await shopping.quote(order, await self._ready() if settings.has_ledger() else None)

    async def want(self, key: str, order: Order, asked_by: str = "") -> Standing:
        """The open wish of that key, or a new one. Its machine is found when somebody waits for it (`arrive`)."""
        check_order(order)
        book = await self._ready()
        if not await book.read(Ledger.unsettled):
            book.clock.trust_the_wall()
        wish, _ = await book.read(Ledger.wish, key, order, asked_by, book.clock.now(), installation_id())
        reached("wish")
        return await self._standing(wish)

    async def arrive(self, standing: Standing, report: Report) -> Standing:
        """Until its machine can be used. When the last who waits for it gives up, or it fails, the wish is closed.

        Raises `KeptForDebugging` where the order wants what has failed to stay for a while.
        """
        machine = standing.machine
        try:
            await self._arrive(machine, report)
        except (LinkLost, KeptForDebugging, asyncio.CancelledError):
            raise  # its warden knows whether somebody else waits, and the next one whether anybody does
        except BaseException:
            if not _could_be_used(standing):
                await asyncio.shield(self.unwant(standing.wish.wish_id, "It was given up."))
            raise
        return await self.find(standing.wish.wish_id)

    async def _arrive(self, machine: MachineRef, report: Report) -> None:
        """Its warden takes offers, or finds them gone; what this process remembers of them is not so any more."""
        from jupyter_gpu_bridge.providers.offers import remembered

        try:
            await links().run(links().ask(machine, target_of(machine), "arrive", report=report))
        finally:
            remembered().invalidate()

    async def unwant(self, wish_id: WishId, because: str) -> bool:
        """There is to be no machine for it any more; a warden ends what there is. Whether it was wanted until now.

        Raises `LedgerBroken` when that cannot be written down; what is rented is ended all the same.
        """
        was_open = await self._close(wish_id, because)
        await self._end_soon(wish_id)
        return was_open

    async def unwant_all(self, wish_ids: Sequence[WishId], because: str) -> Mapping[WishId, str]:
        """As `unwant`, of many. All are closed before anything else is done, and none waits for another one's warden.

        What went wrong with each of those where something did.
        """
        closing = await asyncio.gather(*(self._close(each, because) for each in wish_ids), return_exceptions=True)
        waking = await asyncio.gather(*(self._end_soon(each) for each in wish_ids), return_exceptions=True)
        for number, closed in enumerate(closing):
            if isinstance(closed, LedgerBroken):  # a warden that hung as it was writing kept all others from it
                again = await asyncio.gather(self._close(wish_ids[number], because), return_exceptions=True)
                closing[number] = again[0]
        wrong: dict[WishId, str] = {}
        for wish_id, outcome in (*zip(wish_ids, waking, strict=True), *zip(wish_ids, closing, strict=True)):
            if isinstance(outcome, (BridgeError, OSError)):
                wrong[wish_id] = str(outcome)
            elif isinstance(outcome, BaseException):
                raise outcome
        return wrong

    async def _close(self, wish_id: WishId, because: str) -> bool:
        book = await self._ready()
        try:
            was_open = await book.close_wish(wish_id, because)
        except LedgerBroken as error:
            await self._release_unwritten(wish_id, because)
            raise LedgerBroken(
                error.what,
                billing="What is rented for it is being ended all the same.",
                advice=f"Until the ledger can be written again, it shows it as rented. {error.advice}".strip(),
            ) from None
        reached("unwanted")
        return was_open

    async def _end_soon(self, wish_id: WishId) -> None:
        """Of another computer's too: that one may be switched off."""
        book = await self._ready()
        is_billed = await book.live(wish_id) is not None or bool(await book.returned(wish_id))
        if is_billed and (replaced := await wake(wish_id)):
            await book.note_wish(wish_id, "warning", replaced)

    async def _release_unwritten(self, wish_id: WishId, because: str) -> None:
        machine = machine_of_wish(wish_id)
        await links().run(links().ask(machine, target_of(machine), "release", because=because))

    async def look_after(self, standing: Standing) -> bool:
        """Start its warden again where that is dead; whether there was need for that. Raises `LinkLost`."""
        if standing.unwatched_since is None or standing.is_elsewhere:
            return False
        await wake(standing.wish.wish_id)
        return True

    async def is_there(self, wish_id: WishId) -> bool:
        """For those who come back after a long time. What its provider does not say is no reason to give it up."""
        from jupyter_gpu_bridge.providers.clouds import Clouds
        from jupyter_gpu_bridge.rentals.warden.absence import ended_alone

        book, standing = await self._ready(), await self.find(wish_id)
        if standing.rental is None or not standing.rental.state.is_live:
            return False
        clouds = Clouds()
        try:
            cloud = await clouds.of(standing.rental)
            ended = await ended_alone(standing.rental, standing.wish.order, cloud, book.clock)
        except CloudError:
            return True
        finally:
            await clouds.close()
        if ended is not None:
            with contextlib.suppress(LinkLost):
                await wake(wish_id)
        return ended is None

    async def until_gone(self, wish_id: WishId, tell: Callable[[str], None] = lambda text: None) -> Standing:
        """`tell` hears once of whatever is in the way since it was closed."""
        told: set[str] = set()
        while not (standing := await self.find(wish_id)).is_over:
            closed = standing.wish.closed
            for event in await self.events(wish_id):
                if event.kind == "warning" and closed is not None and event.at >= closed and event.text not in told:
                    told.add(event.text)
                    tell(event.text)
            await asyncio.sleep(0.2)
        return standing

    async def find(self, start: str) -> Standing:
        """By the first letters of its id, or of an attempt's, as costs are told. Raises `RentalUnknown`."""
        book = await self._ready()
        try:
            wish = await book.read(Ledger.wish_meant, start)
        except RentalUnknown as error:
            if await is_lost(book):
                raise RentalUnknown(error.what, billing=LOST, advice=f"Look for them: {LOOK}") from None
            raise
        return await self._standing(wish)

    async def lost(self) -> str:
        """That machines were rented here of which the ledger knows nothing, as a sentence; empty if there are none."""
        return f"{LOST} Look for them: {LOOK}" if await is_lost(await self._ready()) else ""

    async def all(self, *, ended: bool = False, ended_since: datetime | None = None) -> Sequence[Standing]:
        """The newest first; those that are over only when asked for."""
        book = await self._ready()
        if ended:
            wishes = await book.read(Ledger.wishes, open_only=False)
            rentals = await book.read(Ledger.rentals, live_only=False)
        else:
            wishes = await book.read(Ledger.unsettled, ended_since)
            rentals = await book.read(Ledger.of_wishes, [wish.wish_id for wish in wishes])
        found = standings(wishes, rentals, {})
        told = await book.read(Ledger.events_of, [each.wish.wish_id for each in found if not each.is_over], TOLD)
        everything = ended or ended_since is not None
        seen = book.clock.now()
        return [each for each in standings(wishes, rentals, told, seen) if everything or not each.is_over]

    async def may_return(self) -> bool:
        """Whether there are machines that ended so lately that a provider may bring one back."""
        book = await self._ready()
        return bool(await book.read(Ledger.recently_gone, book.clock.now()))

    async def events(self, wish_id: WishId) -> Sequence[Event]:
        book = await self._ready()
        return await book.read(Ledger.events, wish_id)

    async def extend(self, wish_id: WishId, more: timedelta) -> Rental:
        """See `extending.extend`. Raises `RentalEnded` also where nobody has looked after it, and it is gone."""
        book = await self._ready()
        standing = await self._standing(await book.wish(wish_id))
        if standing.unwatched_since is not None and not await self.is_there(wish_id):
            raise RentalEnded("Its machine is not there any more.", advice=f"See: jupyter gpu show {wish_id[:8]}")
        return await extend(wish_id, more, book)

    async def costs(self, by: CostsBy, since: date | None) -> Sequence[CostRow]:
        book = await self._ready()
        return await book.read(Ledger.costs, by, since)

    async def measured(self, rental: Rental, compared: Sequence[GpuCompared], torch: str) -> bool:
        """Whether what its GPUs did could be written down."""
        return await tell_measured(await self._ready(), rental, compared, torch)

    async def keep(self, name: str) -> Standing:
        """An orphan becomes somebody's. Raises `RentalUnknown`, or `BadRequest` for what is none, or being ended."""
        book = await self._ready()
        rental = await book.read(Ledger.by_name, name)
        if rental is None or not rental.state.is_live:
            raise RentalUnknown(f"There is no machine {name!r}.", advice="See: jupyter gpu orphans")
        wish = await book.wish(rental.wish_id)
        if not wish.is_open or rental.state is RentalState.RELEASING:
            raise _too_late(rental)
        if not wish.key.startswith(FOUND):
            raise BadRequest(f"{name} is no orphan: {wish.key} has it.", advice="See: jupyter gpu ls")
        if not rental.host_key:
            raise BadRequest(
                f"The key of {name} is lost, so nobody can enter it.",
                billing=f"It costs {rental.price} per hour until it is ended, which is done in a few minutes.",
            )
        if not await book.read(Ledger.keep, rental, wish.key, f"{KEPT}{name}", book.clock.now()):
            raise _too_late(rental)
        reached("kept")
        await wake(wish.wish_id)
        return await self.find(wish.wish_id)

    async def end_orphan(self, name: str) -> Standing:
        """Whoever it belongs to: somebody says that he is gone. Raises `RentalUnknown`, `CloudError`."""
        from jupyter_gpu_bridge.providers.clouds import Clouds, clouds_set_up
        from jupyter_gpu_bridge.rentals.reconcile import end_by_name

        book, clouds = await self._ready(), Clouds()
        try:
            wish_id = await end_by_name(name, await asyncio.to_thread(clouds_set_up), book, clouds)
        finally:
            await clouds.close()
        await wake(wish_id)
        return await self.find(wish_id)

    async def guard(self) -> Round:
        """Look after everything that is rented, once."""
        from jupyter_gpu_bridge.rentals.guard import look

        return await look(self, await self._ready())

    async def _standing(self, wish: Wish) -> Standing:
        book = await self._ready()
        attempts = await book.read(Ledger.of_wish, wish.wish_id)
        told = await book.read(Ledger.events_of, [wish.wish_id], TOLD)
        return Standing.of(wish, attempts, told.get(wish.wish_id, ()), book.clock.now())

    async def _ready(self) -> Book:
        return await asyncio.to_thread(self._open)

    def _open(self) -> Book:
        with self._opening:
            if self._book is None:
                self._book = Book(Ledger.open(), clock_of_environment())
            return self._book

    def close(self) -> None:
        book, self._book = self._book, None
        if book is not None:
            book.ledger.close()


def _too_late(rental: Rental) -> BadRequest:
    return BadRequest(f"{rental.name} is being ended already.", advice="Rent another machine.")


def _could_be_used(standing: Standing) -> bool:
    """Somebody may have it already, whom it does not concern that another one cannot have it."""
    return standing.rental is not None and standing.rental.state in (RentalState.REACHABLE, RentalState.IN_USE)


_present: Orders | None = None
_choosing = threading.Lock()


def orders() -> Orders:
    """Those of this process."""
    global _present
    with _choosing:
        if _present is None:
            _present = Orders()
        return _present


def forget() -> None:
    """As in a new process, which may have another ledger."""
    global _present
    with _choosing:
        present, _present = _present, None
    dates.forget()
    if present is not None:
        present.close()
