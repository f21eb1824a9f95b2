"""What the limits over all rentals leave to one machine while it is in use: prices rise once they are quoted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.model import Order, Rental
from jupyter_gpu_bridge.rentals.book import Book
from jupyter_gpu_bridge.rentals.ledger import Ledger, Limits, Spending
from jupyter_gpu_bridge.rentals.ledger.limits import nearly_passed, passed
from jupyter_gpu_bridge.rentals.limits import user_limits

_READ_EVERY = timedelta(seconds=30)


class OverAll:
    """Sums are read now and then, and go on in our head meanwhile at the price of all machines."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._limits = Limits()
        self._spending = Spending()
        self._read: datetime | None = None

    async def look(self, rental: Rental) -> None:
        """Raises `LedgerBroken`; what was read before holds then."""
        now = self._book.clock.now()
        if self._read is None or not timedelta(0) <= now - self._read < _READ_EVERY or self._is_new_day(now):
            self._limits, self._spending = await self._book.read(_read, self._limits, rental, now)
            self._read = now

    def passed(self, rental: Rental, order: Order, within: timedelta) -> str:
        """The limit that is used up so soon, as a sentence; empty when there is none."""
        most = order.need.max_price
        if most is not None and rental.price > most and rental.is_dearer:
            return (
                f"The provider bills {rental.price} per hour now: more than the {most} that was allowed (--max-price)."
            )
        return passed(self._limits, self._soon(within), is_dearer=rental.is_dearer)

    def warnings(self) -> Iterator[tuple[str, str]]:
        """By the name of the limit."""
        return nearly_passed(self._limits, self._soon(timedelta(0)))

    def _soon(self, within: timedelta) -> Spending:
        since = self._book.clock.now() - self._read if self._read is not None else timedelta(0)
        return self._spending.after(max(since, timedelta(0)) + within)

    def _is_new_day(self, now: datetime) -> bool:
        return self._read is not None and now.date() != self._read.date()


def _read(ledger: Ledger, before: Limits, rental: Rental, now: datetime) -> tuple[Limits, Spending]:
    """In one thread, and without the ledger where there is no limit. Limits that cannot be read are what they were."""
    try:
        limits = user_limits()
    except (BadRequest, OSError):
        limits = before
    if limits == Limits():
        return limits, Spending()
    return limits, ledger.spending(now, is_pretend=rental.offer.is_pretend)
