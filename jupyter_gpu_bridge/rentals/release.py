"""Ends the machine of an attempt, and does not rest before the provider's own listing shows that it has ended.

It never gives up: an attempt that may still be billed stays in the ledger as such, whatever fails and however often.
"""

from __future__ import annotations

import contextlib
import logging
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from jupyter_gpu_bridge.errors import BridgeError, CloudError, KeyRefused, LedgerBroken, LedgerReplaced
from jupyter_gpu_bridge.marks import reached
from jupyter_gpu_bridge.model import Provider, Rental, RentalState, Seen, SeenState
from jupyter_gpu_bridge.providers.clouds import require_account
from jupyter_gpu_bridge.rentals import key_pairs, resolve
from jupyter_gpu_bridge.rentals.allowance import Allowance
from jupyter_gpu_bridge.rentals.billing import count_bill
from jupyter_gpu_bridge.rentals.book import Book
from jupyter_gpu_bridge.rentals.last_lines import LastLines
from jupyter_gpu_bridge.rentals.ledger.steps import WITHOUT_MACHINE
from jupyter_gpu_bridge.rentals.reconcile import FOUND, KEPT

log = logging.getLogger(__name__)

_FIRST, _LONGEST = timedelta(seconds=2), timedelta(minutes=15)
_YOUNG = timedelta(minutes=5)
"""Of a machine so new, that it is not listed proves nothing for a while."""
_ALARM_AFTER = 5
_WRITTEN_AGAIN = timedelta(seconds=5)


async def release(
    rental: Rental,
    cloud: Provider,
    book: Book,
    because: str,
    *,
    ended: datetime | None = None,
    last_lines: LastLines | None = None,
) -> Rental:
    """The attempt once it is gone. May be called again and again, by several, and after any crash.

    `ended`: when its provider took it back, as far as is known; what is still there has not ended.
    `last_lines`: to be kept, for some seconds at the most, between the entry that it is to end and its end.
    """
    if rental.state in (RentalState.INTENT, RentalState.REQUESTED, RentalState.UNKNOWN):
        found = await look_for(rental, cloud, book)
        if found is None:
            return await book.rental(rental.attempt_id)
        rental = found
    if rental.state is not RentalState.RELEASING:
        with _unwritten(rental):
            rental = await book.advance(rental, RentalState.RELEASING, because)
    reached("releasing")
    if last_lines is not None:
        await last_lines.keep(rental)
    limit = None
    with _unwritten(rental):
        limit = await _limit(rental, cloud, book)
    unseen = min(filter(None, (ended, limit)), default=None)
    was_there = await _destroy(rental, cloud, book, limit=limit, unseen=unseen)
    ended = book.clock.now() if was_there else unseen
    rental = await _write_up(rental, because, book)
    reached("destroyed")
    with contextlib.suppress(BridgeError):
        rental = await book.accrue(rental, ended)
    reached("accrued")
    with contextlib.suppress(BridgeError):
        rental = await count_bill(rental, cloud, book)
    reached("billed")
    rental = await book.advance(rental, RentalState.GONE, rental.reason or because, gone=ended)
    reached("gone")
    key_pairs.forget(rental.attempt_id)
    return rental


async def look_for(rental: Rental, cloud: Provider, book: Book) -> Rental | None:
    """An attempt of which it is not known whether it has a machine: with its machine, or gone."""
    if rental.state is RentalState.REQUESTED:
        with _unwritten(rental):
            rental = await book.advance(rental, RentalState.UNKNOWN, "The answer to the request was lost.")
    seen = await resolve.find(rental, cloud, book.clock)
    if seen is None:
        await book.advance(rental, RentalState.GONE, rental.reason or "Nothing was rented.")
        key_pairs.forget(rental.attempt_id)
        return None
    reached("found")
    found = replace(rental, state=RentalState.CREATED, ref=seen.ref)
    with _unwritten(rental):
        if rental.state is RentalState.INTENT:  # sent all the same: its process died between the two entries
            rental = await book.advance(rental, RentalState.REQUESTED)
            rental = await book.advance(rental, RentalState.UNKNOWN)
        found = await book.advance(rental, RentalState.CREATED, ref=seen.ref)
    return found


async def _limit(rental: Rental, cloud: Provider, book: Book) -> datetime | None:
    """When it has ended at the latest, by its provider or by itself; nothing where that is not known."""
    wish = await book.wish(rental.wish_id)
    ends_alone = cloud.traits.limits_at_create or cloud.traits.removal
    if not ends_alone or rental.created is None or wish.key.startswith((FOUND, KEPT)):
        return None
    return rental.created + Allowance(rental.deadline - rental.written, rental.cap, None).lasts(rental.offer.price)


async def _destroy(
    rental: Rental, cloud: Provider, book: Book, *, limit: datetime | None, unseen: datetime | None
) -> bool:
    """Ask, and look; until it is not there any more. Whether it ever was.

    Neither waits for the other: somebody may have ended it by hand, where we cannot. It is counted all the while; when
    nobody can look not past its `limit`, and where it was never seen not past `unseen`.
    """
    pause, failures = _FIRST, 0
    first_absent: datetime | None = None
    is_asked = False
    is_listed = await _is_listed(rental, cloud)
    ref = rental.ref
    while True:
        trouble: CloudError | None = None
        try:
            if ref is not None and (first_absent is None or not is_asked):
                await cloud.destroy(ref)
                is_asked = True
                reached("destroy-asked")
        except CloudError as error:
            trouble = error
        try:
            seen = next((each for each in await cloud.list() if _is_it(each, rental)), None)
            if seen is None or _is_over(seen):
                await require_account(rental, cloud)
                first_absent = first_absent or book.clock.now()
                if is_listed or not _may_be_late(rental, cloud, book.clock.now(), first_absent):
                    return is_listed
                pause = min(pause, cloud.traits.listing_lag)
            else:
                first_absent, is_listed, ref = None, True, seen.ref
                rental = await _counted(rental, book, None)
        except CloudError as error:
            trouble = error
            rental = await _counted(rental, book, limit if is_listed else unseen)
        if trouble is not None:
            failures += 1
            await _complain(rental, cloud, book, trouble, failures)
        await book.clock.sleep(pause * random.uniform(0.8, 1.0))  # noqa: S311 - jitter
        pause = min(pause * 2, _LONGEST)


async def _write_up(rental: Rental, because: str, book: Book) -> Rental:
    """What could not be written while it was ended, as soon as it can be; else it would count as never rented."""
    while True:
        try:
            row = await book.rental(rental.attempt_id)
            if row.state is RentalState.INTENT:
                row = await book.advance(row, RentalState.REQUESTED)
            if row.state in WITHOUT_MACHINE:
                row = await book.advance(row, RentalState.CREATED, ref=rental.ref)
            if row.state is not RentalState.GONE:
                row = await book.advance(row, RentalState.RELEASING, row.reason or because)
            return row
        except LedgerReplaced:
            raise
        except LedgerBroken:
            await book.clock.sleep(_WRITTEN_AGAIN)


async def _counted(rental: Rental, book: Book, until: datetime | None) -> Rental:
    with contextlib.suppress(BridgeError):
        return await book.accrue(rental, until)
    return rental


@contextlib.contextmanager
def _unwritten(rental: Rental) -> Iterator[None]:
    """A ledger that cannot be written keeps nobody from ending what it has cost money to have."""
    try:
        yield
    except LedgerBroken:
        log.exception("%s is ended although that cannot be written down", rental.name)


async def _is_listed(rental: Rental, cloud: Provider) -> bool:
    """Whether it is in the listing before it is ended; then its absence afterwards proves something."""
    try:
        return any(_is_it(each, rental) for each in await cloud.list())
    except CloudError:
        return False


def _is_it(seen: Seen, rental: Rental) -> bool:
    return seen.ref == rental.ref or seen.name == rental.name


def _is_over(seen: Seen) -> bool:
    return seen.state is SeenState.FAILED and not seen.is_billed


def _may_be_late(rental: Rental, cloud: Provider, now: datetime, first_absent: datetime) -> bool:
    """Whether a machine that is not listed may only not be listed yet."""
    asked = rental.requested or rental.written
    return now - asked < _YOUNG and now - first_absent < cloud.traits.listing_lag


async def _complain(rental: Rental, cloud: Provider, book: Book, error: CloudError, failures: int) -> None:
    """In the ledger, where every front end reads it; not for each of many failures."""
    log.warning("%s could not be destroyed: %s", rental.name, error)
    if failures not in (1, _ALARM_AFTER) and failures % 20:
        return
    where = f" End it by hand at {cloud.traits.console}." if cloud.traits.console else ""
    key = " Its key does not work any more: give a key of the same account." if isinstance(error, KeyRefused) else ""
    with contextlib.suppress(BridgeError):  # a ledger that cannot be written does not keep anybody from destroying
        await book.note(
            rental,
            "warning",
            f"{rental.name} ({rental.ref}) is not gone yet and costs {rental.price} per hour, {rental.accrued} so far: "
            f"{error.what}{key}{where} It is tried again for as long as it takes.",
        )
