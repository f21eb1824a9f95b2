"""Looks after a machine that is in use: counts what it costs, and says when it has to end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from jupyter_gpu_bridge.errors import BridgeError, CloudError, KeyRefused, LedgerBroken
from jupyter_gpu_bridge.in_time import in_time
from jupyter_gpu_bridge.machine.lease.renewal import LeaseNews, Renewal
from jupyter_gpu_bridge.machine.link.link import Link
from jupyter_gpu_bridge.machine.link.questions import CarrierLost
from jupyter_gpu_bridge.marks import reached
from jupyter_gpu_bridge.model import KernelId, Order, Outcome, Provider, Rental, RentalState, Wish
from jupyter_gpu_bridge.providers.clouds import require_account
from jupyter_gpu_bridge.rentals import billing
from jupyter_gpu_bridge.rentals.book import Book
from jupyter_gpu_bridge.rentals.clock import Trust
from jupyter_gpu_bridge.rentals.experience import tell_outcome
from jupyter_gpu_bridge.rentals.ledger import Ledger
from jupyter_gpu_bridge.rentals.ledger.limits import WARN_AT
from jupyter_gpu_bridge.rentals.standing import SETTLED
from jupyter_gpu_bridge.rentals.warden.absence import ENDED, EndedAlone, ended_alone
from jupyter_gpu_bridge.rentals.warden.over_all import OverAll
from jupyter_gpu_bridge.rentals.warden.putting_off import PuttingOff

log = logging.getLogger(__name__)

TICK = timedelta(seconds=5)
_ASK_EVERY = timedelta(minutes=1)
FAREWELL = timedelta(seconds=30)
"""For a kernel to save its work before a limit ends its machine; it lies within the limit."""
_CLOCKS_DIFFER = timedelta(minutes=5)
"""A machine that is still there so long after it was to be taken back is there."""


class Tending:
    def __init__(
        self, rental: Rental, cloud_of: Callable[[Rental], Awaitable[Provider]], book: Book, link: Link
    ) -> None:
        """`cloud_of` may raise `CloudError`: a machine is looked after also while its provider cannot be asked."""
        self._rental = rental
        self._cloud_of = cloud_of
        self._book = book
        self._link = link
        self._used = book.clock.elapsed()
        """When somebody last had something from this machine."""
        self._activity: dict[KernelId, float] = {}
        """When each kernel did something last, as it was at the last look."""
        self._asked = book.clock.elapsed()
        self._billed = book.clock.elapsed()
        """When the provider was asked for its bill."""
        self._absent_since: datetime | None = None
        self._ended_alone: EndedAlone | None = None
        self._reclaim_at: datetime | None = None
        self._outcome: Outcome | None = None
        """What became of it, where it was not we who ended it."""
        self._is_without_farewell = False
        self._lease_problem = ""
        self._has_ended_itself = False
        """Its lease ran out: it has stopped its kernels, and takes no new ones."""
        self._warned: set[str] = set()
        self._over_all = OverAll(book)
        self._wish: Wish
        """As it was at the last look."""
        self._is_written = True

    @property
    def ended(self) -> datetime | None:
        """Since when it is not there any more: as its provider has announced, or as we first saw."""
        return None if self._absent_since is None else self._billed_until()

    def _billed_until(self) -> datetime | None:
        alone = None if self._ended_alone is None else self._ended_alone.at
        return min(filter(None, (self._absent_since, self._reclaim_at, alone)), default=None)

    async def until_over(self) -> str:
        """The reason, as a sentence. Kernels have had their time to save what they have."""
        self._wish = await self._book.wish(self._rental.wish_id)
        order = self._wish.order
        attempts = await self._book.read(Ledger.of_wish, self._rental.wish_id)
        begun = min(each.written for each in attempts)
        lease = Renewal(self._link.ask_agent, order.lease.total_seconds(), name=self._rental.name, told=self._hear)
        renewing = asyncio.create_task(lease.run())
        forget = self._link.listen(lambda: lease.renew_now() if self._link.connection.mux is not None else None)
        try:
            reason = await self._until_limit(PuttingOff(self._rental, order, begun, lease))
            reached("limit")
            if self._outcome is not None:
                await tell_outcome(self._book, self._rental, self._outcome, reason)
            if not self._is_without_farewell:
                await self._bid_farewell()
            reached("farewell")
            return reason
        finally:
            forget()
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    async def while_kept(self) -> str:
        """The reason, too. Of a machine that cannot be set up: it only costs, until its deadline."""
        self._wish = await self._book.wish(self._rental.wish_id)
        while True:
            if not await self._knows_the_time():
                await self._book.clock.sleep(TICK)
                continue
            await self._count()
            await self._count_bill()
            reason = await self._lost() or self._spent() or self._forbidden()
            if reason or self._late():
                return reason or f"It was kept long enough. {self._rental.reason}"
            await self._book.clock.sleep(min(TICK, self._left()))

    async def _until_limit(self, putting_off: PuttingOff) -> str:
        while True:
            if not await self._knows_the_time():
                await self._look_at_wish()
                if self._wish.is_open and not self._has_ended_itself:
                    await self._book.clock.sleep(TICK)
                    continue
            await self._look_after_a_gap()
            await self._count()
            reached("counted")
            await self._count_bill()
            await self._look_at_wish()
            order = self._wish.order
            if self._link.kernels() and self._rental.state is RentalState.REACHABLE:
                with self._unwritten():
                    self._rental = await self._book.advance(self._rental, RentalState.IN_USE)
                reached("in-use")
            reason = self._wish.closed_because if not self._wish.is_open else await self._lost()
            if not reason and self._ended_alone is not None:
                reason, self._outcome = self._ended_alone.because, Outcome.ENDED_ALONE
            if not reason and self._has_ended_itself:
                reason = "Its lease ran out while nobody could reach it, and its kernels were stopped."
                self._outcome = Outcome.ENDED_ALONE
            self._is_without_farewell = bool(reason)
            if self._absent_since is None:
                reason = reason or self._spent() or self._forbidden() or self._late() or self._idle(order)
            if reason:
                return reason
            await self._warn()
            if problem := await putting_off.follow(self._rental, self._book.clock.now(), self._cloud_of):
                await self._say_once("put-off", problem)
            if self._lease_problem:
                await self._say_once("lease", self._lease_problem)
            await self._book.clock.sleep(min(TICK, self._left()))

    async def _bid_farewell(self) -> None:
        """The save hook of the machine, if there is one, within the limit."""
        with contextlib.suppress(BridgeError, CarrierLost, asyncio.TimeoutError):
            seconds = FAREWELL.total_seconds()
            await in_time(self._link.ask_agent({"do": "save", "seconds": seconds - 5}), seconds)

    def _hear(self, news: LeaseNews) -> None:
        """A machine that is out of reach for a while is no problem yet; one without its dead man's switch is."""
        self._has_ended_itself = news.is_ending
        has_answered = news.left is not None or news.is_ending
        self._lease_problem = news.problem if has_answered else ""

    # limits --------------------------------------------------------------------------------------------------------

    def _left(self) -> timedelta:
        """Until the nearest limit that is only a matter of time."""
        left = self._rental.deadline - self._book.clock.now() - FAREWELL
        if self._rental.ceiling is not None:
            left = min(left, (self._rental.ceiling - self._rental.accrued).lasts(self._rental.price) - FAREWELL)
        return max(left, timedelta(milliseconds=100))

    def _spent(self) -> str:
        most = self._rental.ceiling
        if most is None or self._rental.accrued + self._rental.price.during(FAREWELL) < most:
            return ""
        if self._rental.cap is None:
            return f"Its provider has raised its price, and the {most} that it was to cost at most are used up."
        return f"Its budget of {most} is used up."

    def _forbidden(self) -> str:
        """By the limits over all rentals, or by the highest price that was allowed."""
        return self._over_all.passed(self._rental, self._wish.order, FAREWELL + TICK)

    def _late(self) -> str:
        if self._book.clock.now() + FAREWELL < self._rental.deadline:
            return ""
        return "Its deadline has come."

    def _idle(self, order: Order) -> str:
        """An open page is no use, and neither is our own connection; a kernel that works or has just worked is.

        So is a check of its GPUs: somebody has asked for it, and waits.
        """
        now = self._book.clock.elapsed()
        activity = {kernel.order.kernel_id: kernel.facade.last_activity for kernel in self._link.kernels()}
        if (
            activity != self._activity
            or self._link.checks
            or any(kernel.facade.busy for kernel in self._link.kernels())
        ):
            self._used, self._activity = now, activity
        if order.idle is None or now - self._used < order.idle:
            return ""
        return f"Nobody has used it for {_spoken(order.idle)}."

    async def _warn(self) -> None:
        """Once, at four fifths of a limit: in the ledger, which every front end shows."""
        rental, now = self._rental, self._book.clock.now()
        begun = rental.requested or rental.written
        most = rental.ceiling
        if most is not None and rental.accrued * 100 >= most * WARN_AT:
            await self._say_once("budget", f"{rental.accrued} of the {most} that it may cost are spent.")
        if (now - begun) * 100 >= (rental.deadline - begun) * WARN_AT:
            await self._say_once("deadline", f"It ends in {_spoken(rental.deadline - now)}: that is its deadline.")
        for name, text in self._over_all.warnings():
            await self._say_once(name, text)

    async def _say_once(self, what: str, text: str) -> None:
        if what not in self._warned:
            with self._unwritten():
                await self._book.note(self._rental, "warning", text)
                self._warned.add(what)

    # a ledger that cannot be used keeps nobody from ending a machine in time ---------------------------------------

    async def _notice_extension(self, before: datetime) -> None:
        """What was warned of is not so any more, and is warned of again in time."""
        if self._rental.deadline > before and self._warned & {"budget", "deadline"}:
            self._warned -= {"budget", "deadline"}
            with self._unwritten():
                await self._book.note(self._rental, SETTLED, "Its deadline was put off.")

    async def _count(self) -> None:
        """In our head as well: what could not be written down now is counted again when it can be."""
        until = self._billed_until()
        rental, now = self._rental, min(filter(None, (self._book.clock.now(), until)))
        since = rental.accrued_until or rental.requested or rental.written
        accrued = rental.accrued + rental.price.during(max(now - since, timedelta(0)))
        self._rental = replace(rental, accrued=accrued, accrued_until=max(now, since))
        with self._unwritten():
            self._rental = await self._book.accrue(rental, until)
            await self._over_all.look(self._rental)
        await self._notice_extension(rental.deadline)

    async def _look_at_wish(self) -> None:
        """Whoever closes it has its warden cancel us; should that come to nothing, we see it here."""
        with self._unwritten():
            self._wish = await self._book.wish(self._rental.wish_id)

    @contextlib.contextmanager
    def _unwritten(self) -> Iterator[None]:
        try:
            yield
            self._is_written = True
        except LedgerBroken as error:
            if self._is_written:
                log.error("%s is tended although the ledger cannot be used: %s", self._rental.name, error)
            self._is_written = False

    # the provider's side -------------------------------------------------------------------------------------------

    async def _knows_the_time(self) -> bool:
        """After another start of this computer a clock that is wrong would end what is in use, or never end it."""
        clock, ref = self._book.clock, self._rental.ref
        if clock.trust is Trust.NONE and ref is not None:
            with contextlib.suppress(CloudError):
                await (await self._cloud_of(self._rental)).get(ref)
                clock.believe()
        return clock.trust is not Trust.NONE or ref is None

    async def _look_after_a_gap(self) -> None:
        """Before anything is counted: this computer may have slept for days, and the machine ended itself long ago."""
        with contextlib.suppress(CloudError):
            cloud = await self._cloud_of(self._rental)
            self._ended_alone = await ended_alone(self._rental, self._wish.order, cloud, self._book.clock)

    async def _count_bill(self) -> None:
        now = self._book.clock.elapsed()
        if now - self._billed < billing.EVERY:
            return
        self._billed = now
        with contextlib.suppress(CloudError), self._unwritten():
            self._rental = await billing.count_bill(self._rental, await self._cloud_of(self._rental), self._book)

    async def _lost(self) -> str:
        """Whether the provider has ended it; asked now and then, and an answer that fails says nothing."""
        elapsed = self._book.clock.elapsed()
        if elapsed - self._asked < _ASK_EVERY or self._rental.ref is None:
            return ""
        self._asked, now = elapsed, self._book.clock.now()
        try:
            cloud = await self._cloud_of(self._rental)
            seen = await cloud.get(self._rental.ref)
            if seen is None:
                await require_account(self._rental, cloud)
        except KeyRefused as error:
            await self._say_once("key", str(error))
            return ""
        except CloudError:
            return ""
        if seen is None or seen.state in ENDED:
            self._absent_since = self._absent_since or now
            if now - self._absent_since < _ASK_EVERY:
                return ""
            self._outcome = Outcome.SPOT_RECLAIMED if self._rental.offer.is_spot else Outcome.RECLAIMED
            return "The provider took the machine back."
        is_announced = seen.reclaim_at is not None and seen.reclaim_at > now - _CLOCKS_DIFFER
        self._absent_since, self._reclaim_at = None, seen.reclaim_at if is_announced else None
        if seen.price is not None and seen.price > self._rental.price:
            self._rental = replace(self._rental, price=seen.price)
            with self._unwritten():
                self._rental = await self._book.dearer(self._rental, seen.price)
        if seen.reclaim_at is not None:
            await self._say_once("reclaim", f"The provider takes the machine back at {seen.reclaim_at:%H:%M} UTC.")
        return ""


def _spoken(time: timedelta) -> str:
    minutes = max(0, round(time / timedelta(minutes=1)))
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"
