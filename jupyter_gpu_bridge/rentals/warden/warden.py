"""Grants one wish: finds a machine, tends it while it is wanted, and ends it, over any number of its own deaths.

What it does follows from the ledger alone. A wish is open: there is to be a machine, and at most one. It is closed, by
whoever and for whatever reason: there is to be none, and the warden lives until that is so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import timedelta

from jupyter_gpu_bridge.errors import (
    BridgeError,
    CloudError,
    LedgerBroken,
    LedgerReplaced,
    RentalEnded,
    RentalUnknown,
    StartCancelled,
)
from jupyter_gpu_bridge.machine.link.link import Link, Report
from jupyter_gpu_bridge.machine.link.target import Target
from jupyter_gpu_bridge.marks import reached
from jupyter_gpu_bridge.model import Provider, Rental, Wish, WishId
from jupyter_gpu_bridge.rentals.book import Book
from jupyter_gpu_bridge.rentals.clouds import Clouds
from jupyter_gpu_bridge.rentals.ledger import Ledger
from jupyter_gpu_bridge.rentals.orders import orders
from jupyter_gpu_bridge.rentals.reconcile import EVERY, KEPT, reconcile_now_and_then
from jupyter_gpu_bridge.rentals.release import release
from jupyter_gpu_bridge.rentals.warden.filling import Filling
from jupyter_gpu_bridge.rentals.warden.tending import Tending

log = logging.getLogger(__name__)

_LOOK_EVERY = timedelta(seconds=0.5)
_TRY_AGAIN = timedelta(seconds=5)
LAST_ANSWERS_FOR = 3.0
"""Seconds in which those who come too late are told why there is no machine."""
OTHERS_WITHIN = 2.0
"""Seconds for whoever asked at the same time as one who has given up, and is on the way here."""
NOBODY_FOR = 30.0
"""Seconds after which a start that nobody waits for any more is given up: whoever asked for it was killed."""


class Warden:
    def __init__(self, wish_id: WishId, book: Book, clouds: Clouds) -> None:
        self._wish_id = wish_id
        self._book = book
        self._clouds = clouds
        self._waiting: dict[asyncio.Future[Target], Report] = {}
        self._came = asyncio.Event()
        """Somebody has asked for the machine, at any time."""
        self._asked = 0
        """How often that was."""
        self._left = asyncio.Event()
        """The last who waited has given up."""
        self._target: Target | None = None
        self._over: BridgeError | None = None
        self._complaints: set[str] = set()
        self._said: list[tuple[str, str]] = []
        """All stages until now, for those who come later."""

    async def provide(self, report: Report) -> Target:
        """The machine, for somebody who waits for it. When the last of them gives up, so do we."""
        self._came.set()
        self._asked += 1
        if self._over is not None:
            raise self._over
        if self._target is not None:
            return self._target
        waiter: asyncio.Future[Target] = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = report
        for stage, text in self._said:
            report(stage, text)
        try:
            return await waiter
        except asyncio.CancelledError:
            if len(self._waiting) == 1 and self._target is None:
                self._left.set()
            raise
        finally:
            del self._waiting[waiter]

    async def run(self, link: Link) -> None:
        """Until the wish is closed and nothing is billed for it any more, or the ledger knows nothing of it."""
        try:
            await self._run(link)
        except LedgerReplaced as error:
            log.error("a successor is to read the ledger that there is now: %s", error)
        except RentalUnknown as error:
            await self._leave(link, error)
        finally:
            link.done.set()

    async def _run(self, link: Link) -> None:
        granting = asyncio.create_task(self._insist(link))
        watching = asyncio.create_task(self._until_closed())
        others = [asyncio.create_task(self._until_given_up()), asyncio.create_task(self._compare_now_and_then())]
        try:
            await asyncio.wait([granting, watching], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (granting, watching, *others):
                task.cancel()
            outcome, watched, *_ = await asyncio.gather(granting, watching, *others, return_exceptions=True)
        for failed in (outcome, watched):
            if isinstance(failed, (LedgerReplaced, RentalUnknown)):
                raise failed
            if isinstance(failed, Exception):
                log.error("the machine is ended for a mistake of ours", exc_info=failed)
                await self._close(f"Something went wrong that nobody thought of: {failed!r}.")
        is_over = False
        while not is_over:
            await self._end(link)
            await asyncio.sleep(LAST_ANSWERS_FOR)
            is_over = await self._live() is None  # a provider may bring a machine back

    async def _leave(self, link: Link, error: RentalUnknown) -> None:
        """The ledger was lost. If there is a machine, it is found by its name, and is another wish's then."""
        log.error("the ledger knows nothing of this wish: %s", error)
        if self._over is None:
            self._refuse(error)
        link.machine_gone("The ledger that knew of its machine was lost; see: jupyter gpu orphans")
        await asyncio.sleep(LAST_ANSWERS_FOR)

    # while it is open ----------------------------------------------------------------------------------------------

    async def _insist(self, link: Link) -> None:
        """A ledger that cannot be written now is no reason to end what is wanted."""
        while True:
            try:
                await self._grant(link)
                return
            except LedgerBroken as error:
                for waiter in list(self._waiting):
                    if not waiter.done():
                        waiter.set_exception(error)
                await _wait_for_ledger(error)

    async def _grant(self, link: Link) -> None:
        """Returns when the wish has to end, and why is in the ledger then."""
        filling = Filling(self._wish_id, self._book, self._clouds, link, self._report, self._cloud_of)
        try:
            rental = await self._book.live(self._wish_id)
            if rental is None or not filling.is_settled(rental):
                await self._somebody_waits()
            rental, self._target = await filling.machine()
        except LedgerBroken:
            raise
        except BridgeError as error:
            log.warning("no machine: %s", error)
            self._refuse(error)
            await self._close(error.what)
            return
        self._report("preparing", "the machine is there")
        reached("granted")
        for waiter in list(self._waiting):
            if not waiter.done():
                waiter.set_result(self._target)
        cloud = await self._cloud_of(rental)
        await self._close(await Tending(rental, cloud, self._book, link).until_over())

    async def _somebody_waits(self) -> None:
        """Where somebody has said so before his process died, it is said again. A machine that is kept needs nobody."""
        if (await self._book.wish(self._wish_id)).key.startswith(KEPT):
            return
        try:
            await asyncio.wait_for(self._came.wait(), NOBODY_FOR)
        except asyncio.TimeoutError:
            raise StartCancelled("Whoever asked for this machine is gone.") from None

    async def _until_closed(self) -> None:
        """Whoever closes it writes that down, and is another process: there is nothing but looking."""
        while (await self._wish()).is_open:
            await self._book.clock.sleep(_LOOK_EVERY)

    async def _until_given_up(self) -> None:
        """By everybody who waited, before there was a machine; then it is closed."""
        while True:
            await self._left.wait()
            self._left.clear()
            asked = self._asked
            await asyncio.sleep(OTHERS_WITHIN)
            if self._asked == asked:
                await self._close("The start was cancelled.")

    async def _compare_now_and_then(self) -> None:
        """The ledger with what the providers list; of all wardens one does it for each account."""
        while True:
            await self._book.clock.sleep(EVERY)
            with contextlib.suppress(BridgeError, OSError):
                for provider in {each.provider for each in await self._book.read(Ledger.rentals)}:
                    for orphan in await reconcile_now_and_then(self._book, self._clouds, provider):
                        if not orphan.wish.is_open:
                            await orders().wake(orphan.wish.wish_id)

    async def _close(self, because: str) -> None:
        while True:
            try:
                await self._book.close_wish(self._wish_id, because)
                return
            except LedgerBroken as error:
                await _wait_for_ledger(error)

    def _report(self, stage: str, text: str) -> None:
        log.info("%s: %s", stage, text)
        self._said.append((stage, text))
        for report in list(self._waiting.values()):
            report(stage, text)

    def _refuse(self, error: BridgeError) -> None:
        self._over = error
        for waiter in list(self._waiting):
            if not waiter.done():
                waiter.set_exception(error)

    # when it is closed ---------------------------------------------------------------------------------------------

    async def _end(self, link: Link) -> None:
        reached("closed")
        wish = await self._wish()
        because = wish.closed_because or "It was stopped."
        if self._over is None:
            self._refuse(RentalEnded(f"The rented machine is no more: {because}", advice="Start the kernel again."))
        link.machine_gone(f"The rented machine was ended: {because}")
        while (rental := await self._live()) is not None:
            try:
                await release(rental, await self._cloud_of(rental), self._book, because)
            except (BridgeError, OSError) as error:
                log.exception("%s is not ended yet", rental.name)
                await self._complain(rental, error)
                await self._book.clock.sleep(_TRY_AGAIN)

    # what it has to know, for as long as that takes ------------------------------------------------------------------

    async def _wish(self) -> Wish:
        while True:
            try:
                return await self._book.wish(self._wish_id)
            except LedgerBroken as error:
                await _wait_for_ledger(error)

    async def _live(self) -> Rental | None:
        while True:
            try:
                return await self._book.live(self._wish_id)
            except LedgerBroken as error:
                await _wait_for_ledger(error)

    async def _cloud_of(self, rental: Rental) -> Provider:
        """That it cannot be asked is no reason to do anything to a machine."""
        while True:
            try:
                return await self._clouds.of(rental)
            except CloudError as error:
                await self._complain(rental, error)
                await self._book.clock.sleep(_TRY_AGAIN)

    async def _complain(self, rental: Rental, error: Exception) -> None:
        """Once for each reason, where every front end reads it."""
        if str(error) not in self._complaints:
            self._complaints.add(str(error))
            text = f"{rental.name} cannot be looked after now; it is tried again: {error}"
            with contextlib.suppress(BridgeError):
                await self._book.note(rental, "warning", text)


async def _wait_for_ledger(error: LedgerBroken) -> None:
    """Raises it where waiting is of no use."""
    if isinstance(error, LedgerReplaced):
        raise error
    log.warning("the ledger cannot be used: %s", error)
    await asyncio.sleep(_TRY_AGAIN.total_seconds())
