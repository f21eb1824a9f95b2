"""The ledger for coroutines: each entry is written in a thread, and bears the time of our clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar

from jupyter_gpu_bridge.model import AttemptId, Money, Rental, RentalState, Wish, WishId
from jupyter_gpu_bridge.rentals.clock import Clock, Trust
from jupyter_gpu_bridge.rentals.ledger import Ledger

P = ParamSpec("P")
T = TypeVar("T")

_AHEAD = timedelta(minutes=5)
"""Clocks of several computers that write in one ledger may differ by as much."""
_SOME_MORE = timedelta(seconds=5)


class Book:
    """One for each process that rents; several may write at the same time."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self.ledger = ledger
        self.clock = clock

    async def read(self, question: Callable[Concatenate[Ledger, P], T], *args: P.args, **more: P.kwargs) -> T:
        return await asyncio.to_thread(question, self.ledger, *args, **more)

    async def wish(self, wish_id: WishId) -> Wish:
        return await self.read(Ledger.find_wish, wish_id)

    async def rental(self, attempt_id: AttemptId) -> Rental:
        return await self.read(Ledger.find_rental, attempt_id)

    async def live(self, wish_id: WishId) -> Rental | None:
        """The attempt to fill this wish that may be billed; there is never more than one."""
        attempts = await self.read(Ledger.of_wish, wish_id)
        return next((each for each in attempts if each.state.is_live and not each.has_returned), None)

    async def returned(self, wish_id: WishId) -> Sequence[Rental]:
        """Attempts of this wish whose machines were gone, and are there again to be ended."""
        attempts = await self.read(Ledger.of_wish, wish_id)
        return [each for each in attempts if each.state.is_live and each.has_returned]

    async def advance(self, rental: Rental, to: RentalState, reason: str = "", **facts: Any) -> Rental:
        return await self.read(Ledger.advance, rental.attempt_id, to, now=self.clock.now(), reason=reason, **facts)

    async def dearer(self, rental: Rental, price: Money) -> Rental:
        """Its provider bills it at a higher price than we knew: for that it may run less long."""
        rental = await self.advance(rental, rental.state, price=price)
        most = rental.ceiling
        until = "" if most is None else f" It ends when it has cost {most}, also before its deadline."
        quoted = f"The provider bills {price} per hour, which is more than the {rental.offer.price} that was quoted."
        await self.note(rental, "warning", quoted + until)
        return rental

    async def note(self, rental: Rental, kind: str, text: str) -> None:
        await self.read(Ledger.note, rental.wish_id, rental.attempt_id, kind, text, self.clock.now())

    async def note_wish(self, wish_id: WishId, kind: str, text: str) -> None:
        await self.read(Ledger.note, wish_id, None, kind, text, self.clock.now())

    async def accrue(self, rental: Rental, until: datetime | None = None) -> Rental:
        """Up to now, or to when it ended; by a clock that may be wrong no more than its limits allow."""
        rental = await self.in_our_time(rental)
        now = self.clock.now()
        end = now if until is None else min(until, now)
        if self.clock.trust in (Trust.NONE, Trust.WALL):
            end = min(end, _limit(rental))
        return await self.read(Ledger.accrue, rental.attempt_id, end)

    async def in_our_time(self, rental: Rental) -> Rental:
        """What was written by a clock that was ahead would be counted no more until ours has come that far."""
        now = self.clock.now()
        if _counted(rental) - now <= _AHEAD:
            return rental
        return await self.read(Ledger.bring_back, rental.attempt_id, now)

    async def close_wish(self, wish_id: WishId, because: str, *, only_for: str | None = None) -> bool:
        return await self.read(Ledger.close_wish, wish_id, because, self.clock.now(), only_for=only_for)


def _counted(rental: Rental) -> datetime:
    return rental.accrued_until or rental.requested or rental.written


def _limit(rental: Rental) -> datetime:
    """When its budget or its time was used up, and a moment later, so that it is seen to be so."""
    since = _counted(rental)
    left = rental.deadline - since
    if rental.ceiling is not None:
        left = min(left, (rental.ceiling - rental.accrued).lasts(rental.price))
    return since + max(left, timedelta(0)) + _SOME_MORE
