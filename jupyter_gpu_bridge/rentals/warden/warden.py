"""Grants one wish: finds a machine, tends it while it is wanted, and ends it, over any number of its own deaths.

What it does follows from the ledger alone. A wish is open: there is to be a machine, and at most one. It is closed, by
whoever and for whatever reason: there is to be none, and the warden lives until that is so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from datetime import timedelta

from jupyter_gpu_bridge.errors import (
    BridgeError,
    CloudError,
    KeptForDebugging,
    LedgerBroken,
    LedgerReplaced,
    RentalElsewhere,
    RentalEnded,
    RentalUnknown,
    StartCancelled,
)
from jupyter_gpu_bridge.in_time import in_time
from jupyter_gpu_bridge.machine.link.link import Link, Report
from jupyter_gpu_bridge.machine.link.target import Target
from jupyter_gpu_bridge.marks import reached
from jupyter_gpu_bridge.model import Provider, Rental, WishId
from jupyter_gpu_bridge.providers.clouds import Clouds
from jupyter_gpu_bridge.rentals.book import Book
from jupyter_gpu_bridge.rentals.reconcile import FOUND, KEPT, end_unless_kept
from jupyter_gpu_bridge.rentals.release import release
from jupyter_gpu_bridge.rentals.standing import Standing
from jupyter_gpu_bridge.rentals.warden.filling import Filling
from jupyter_gpu_bridge.rentals.warden.others import Others
from jupyter_gpu_bridge.rentals.warden.returned import Returned
from jupyter_gpu_bridge.rentals.warden.tending import Tending
from jupyter_gpu_bridge.rentals.warden.times import RentalTimes

log = logging.getLogger(__name__)

_LOOK_EVERY = timedelta(seconds=2)
"""Whoever closes a wish tells its warden, unless he dies in between or is on another computer."""
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
        self._others = Others(book, clouds)
        self._returned = Returned(wish_id, book, self._cloud_now)
        self.times = RentalTimes(wish_id, book)
        self._waiting: dict[asyncio.Future[Target], Report] = {}
        self._came = asyncio.Event()
        """Somebody has asked for the machine, at any time."""
        self._asked = 0
        """How often that was."""
        self._left = asyncio.Event()
        """The last who waited has given up, or could not use the machine, and nobody ever has used it."""
        self._left_because = ""
        self._is_used = False
        self._target: Target | None = None
        self._over: BridgeError | None = None
        self._tending: Tending | None = None
        self._looks: list[asyncio.Event] = []
        self._because = ""
        """Why it is to end, also where that cannot be written down."""
        self._complaints: set[str] = set()
        self._said: list[tuple[str, str]] = []
        """All stages until now, for those who come later."""

    async def provide(self, report: Report) -> Target:
        """The machine, for somebody who waits for it."""
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
        finally:
            del self._waiting[waiter]

    def outcome(self, error: BaseException | None) -> None:
        """When the last who could have used the machine give up, so do we; but not for one who comes to it later."""
        if error is None:
            self._is_used = True
        elif not self._is_used and not self._waiting and not isinstance(error, KeptForDebugging):
            self._left_because = (
                f"The start failed: {error.what}" if isinstance(error, BridgeError) else "The start was cancelled."
            )
            self._left.set()

    def look(self) -> None:
        for look in (*self._looks, self._returned.look):
            look.set()

    def release(self, because: str) -> None:
        self._because = self._because or because
        self.look()

    async def run(self, link: Link) -> None:
        """Until the wish is closed and nothing is billed for it any more, or the ledger knows nothing of it."""
        try:
            await self._run(link)
        except LedgerReplaced as error:
            log.error("a successor is to read the ledger that there is now: %s", error)
        except RentalUnknown as error:
            await self._leave(link, error, "The ledger that knew of its machine was lost; see: jupyter gpu orphans")
        except RentalElsewhere as error:
            await self._leave(link, error, error.what)
        finally:
            link.done.set()

    async def _run(self, link: Link) -> None:
        await self._require_ours()
        besides = [
            asyncio.create_task(self._others.compare_now_and_then()),
            asyncio.create_task(self._returned.end_all()),
        ]
        try:
            await self._until_unwanted(link)
            is_over = False
            while not is_over:
                await self._end(link)
                await asyncio.sleep(LAST_ANSWERS_FOR)
                with _ledger_may_fail():
                    back = await self._book.returned(self._wish_id)  # a provider may bring one back at any time
                    is_over = await self._book.live(self._wish_id) is None and not back
        finally:
            for task in besides:
                task.cancel()
            await asyncio.gather(*besides, return_exceptions=True)
        await link.forget_gone()

    async def _until_unwanted(self, link: Link) -> None:
        granting = asyncio.create_task(self._insist(link))
        watching = asyncio.create_task(self._until_closed())
        giving_up = asyncio.create_task(self._until_given_up())
        try:
            await asyncio.wait([granting, watching], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (granting, watching, giving_up):
                task.cancel()
            outcome, watched, _ = await asyncio.gather(granting, watching, giving_up, return_exceptions=True)
        for failed in (outcome, watched):
            if isinstance(failed, (LedgerReplaced, RentalUnknown)):
                raise failed
            if isinstance(failed, Exception):
                log.error("the machine is ended for a mistake of ours", exc_info=failed)
                await self._close(f"Something went wrong that nobody thought of: {failed!r}.")

    async def _leave(self, link: Link, error: BridgeError, cause: str) -> None:
        """There is nothing to be done here. A machine of a lost ledger is found by its name, for another wish."""
        log.error("this wish is not looked after: %s", error)
        if self._over is None:
            self._refuse(error)
        link.machine_gone(cause)
        await asyncio.sleep(LAST_ANSWERS_FOR)

    async def _require_ours(self) -> None:
        """Raises `RentalElsewhere`; what is closed may be ended by anybody who has the account's key."""
        elsewhere = False
        with _ledger_may_fail():
            wish = await self._book.wish(self._wish_id)
            elsewhere = Standing(wish, None).is_elsewhere
        if elsewhere:
            raise RentalElsewhere(
                f"This machine was rented elsewhere, by {wish.asked_by or 'somebody'}, and its keys are only there.",
                billing="It goes on and goes on costing money.",
                advice=f"Enter it from there. It can be ended from here: jupyter gpu stop {wish.wish_id[:8]}",
            )

    # while it is open ----------------------------------------------------------------------------------------------

    async def _insist(self, link: Link) -> None:
        """A ledger that cannot be written now is no reason to end what is wanted."""
        while True:
            try:
                await self._grant(link)
                return
            except LedgerReplaced:
                raise
            except LedgerBroken as error:
                log.error("the ledger cannot be used: %s", error)
                for waiter in list(self._waiting):
                    if not waiter.done():
                        waiter.set_exception(error)
                await asyncio.sleep(_TRY_AGAIN.total_seconds())

    async def _grant(self, link: Link) -> None:
        """Returns when the wish has to end, and why is in the ledger then."""
        if not await self._is_wanted():
            return
        filling = Filling(self._wish_id, self._book, self._clouds, link, self._report, self._cloud_of, self._others)
        try:
            rental = await self._book.live(self._wish_id)
            self._is_used = rental is not None and filling.is_settled(rental)
            if not self._is_used and (rental is None or not rental.is_kept):
                await self._somebody_waits()
            rental, self._target = await filling.machine()
        except LedgerBroken:
            raise
        except KeptForDebugging as error:
            self._refuse(error)
            kept = await self._book.live(self._wish_id)
            if kept is not None:
                await self._close(await Tending(kept, self._cloud_now, self._book, link).while_kept())
            return
        except BridgeError as error:
            log.warning("no machine: %s", error)
            self._refuse(error)
            await self._close(str(error))
            return
        self._report("preparing", "the machine is there")
        reached("granted")
        for waiter in list(self._waiting):
            if not waiter.done():
                waiter.set_result(self._target)
        self._tending = Tending(rental, self._cloud_now, self._book, link)
        await self._close(await self._tending.until_over())

    async def _is_wanted(self) -> bool:
        """Also by and by: of a machine that nobody knew of, somebody has some time to say so."""
        while (wish := await end_unless_kept(self._wish_id, self._book)).is_open and wish.key.startswith(FOUND):
            await self._book.clock.sleep(_LOOK_EVERY)
        return wish.is_open

    async def _somebody_waits(self) -> None:
        """Where somebody has said so before his process died, it is said again. A machine that is kept needs nobody."""
        if (await self._book.wish(self._wish_id)).key.startswith(KEPT):
            return
        try:
            await in_time(self._came.wait(), NOBODY_FOR)
        except asyncio.TimeoutError:
            raise StartCancelled("Whoever asked for this machine is gone.") from None

    async def _until_closed(self) -> None:
        """Whoever closes it writes that down, and is another process: what it says besides may be lost."""
        look = self._new_look()
        while not self._because:
            with _ledger_may_fail():
                if not (await self._book.wish(self._wish_id)).is_open:
                    return
            await self._until_look(look, _LOOK_EVERY)

    def _new_look(self) -> asyncio.Event:
        """Set whenever somebody says that there is something to be seen."""
        self._looks.append(asyncio.Event())
        return self._looks[-1]

    async def _until_look(self, look: asyncio.Event, within: timedelta) -> None:
        napping = asyncio.ensure_future(self._book.clock.sleep(within))
        told = asyncio.ensure_future(look.wait())
        try:
            await asyncio.wait([napping, told], return_when=asyncio.FIRST_COMPLETED)
        finally:
            napping.cancel()
            told.cancel()
        look.clear()

    async def _until_given_up(self) -> None:
        """By everybody who wanted the machine, before anybody has used it; then it is closed."""
        while True:
            await self._left.wait()
            self._left.clear()
            asked = self._asked
            await asyncio.sleep(OTHERS_WITHIN)
            if self._asked == asked:
                await self._close(self._left_because)

    async def _close(self, because: str) -> bool:
        """Whether it is written down; where it cannot be, it ends all the same."""
        self._because = self._because or because
        is_written = False
        with _ledger_may_fail():
            await self._book.close_wish(self._wish_id, self._because)
            is_written = True
        return is_written

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
        because = await self._closed_because()
        if self._over is None:
            self._refuse(await self._ended(because))
        link.machine_gone(f"The rented machine was ended: {because}")
        self._complaints.clear()  # what was in the way before is said again to whoever waits for the end
        self.look()
        while not await self._is_ended(because):
            await self._book.clock.sleep(_TRY_AGAIN)

    async def _ended(self, because: str) -> RentalEnded:
        """For whoever wanted the machine: that it is being ended, which may take its provider a while."""
        rental = None
        with _ledger_may_fail():
            rental = await self._book.live(self._wish_id)
        if rental is None:
            billing = "Nothing is rented for it any more."
        else:
            billing = f"It is being ended, and costs {rental.price} per hour until its provider has done so."
        return RentalEnded(
            f"The rented machine cannot be used any more: {because}", billing=billing, advice="Start the kernel again."
        )

    async def _is_ended(self, because: str) -> bool:
        """Whether all is done, and written down."""
        is_written = await self._close(because)
        rental = None
        try:
            while (rental := await self._book.live(self._wish_id)) is not None:
                ended = None if self._tending is None else self._tending.ended
                await release(rental, await self._cloud_of(rental), self._book, because, ended=ended)
        except (LedgerReplaced, RentalUnknown):
            raise
        except (BridgeError, OSError) as error:
            log.exception("%s is not ended yet", self._wish_id[:8] if rental is None else rental.name)
            if rental is not None:
                await self._complain(rental, error)
            return False
        return is_written or await self._close(because)

    async def _closed_because(self) -> str:
        while True:
            because = self._because
            with _ledger_may_fail():
                because = (await self._book.wish(self._wish_id)).closed_because or because or "It was stopped."
            if because:
                return because
            await self._book.clock.sleep(_TRY_AGAIN)

    async def _cloud_of(self, rental: Rental) -> Provider:
        """That it cannot be asked is no reason to do anything to a machine."""
        while True:
            with contextlib.suppress(CloudError):
                return await self._cloud_now(rental)
            await self._book.clock.sleep(_TRY_AGAIN)

    async def _cloud_now(self, rental: Rental) -> Provider:
        """Raises `CloudError`, which stands in the ledger then."""
        try:
            return await self._clouds.of(rental)
        except CloudError as error:
            await self._complain(rental, error)
            raise

    async def _complain(self, rental: Rental, error: Exception) -> None:
        """Once for each reason, where every front end reads it."""
        if str(error) not in self._complaints:
            self._complaints.add(str(error))
            text = f"{rental.name} cannot be looked after now; it is tried again: {error}"
            with contextlib.suppress(BridgeError):
                await self._book.note(rental, "warning", text)


@contextlib.contextmanager
def _ledger_may_fail() -> Iterator[None]:
    """It may be busy or full, which ends nothing; one that was replaced is for a successor to read."""
    try:
        yield
    except LedgerReplaced:
        raise
    except LedgerBroken as error:
        log.error("the ledger cannot be used: %s", error)
