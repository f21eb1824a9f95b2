"""A deadline that was put off in the ledger is put off wherever else it is known: on the machine, at its provider."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import cast

from jupyter_gpu_bridge.errors import CloudError
from jupyter_gpu_bridge.machine.lease.renewal import Renewal
from jupyter_gpu_bridge.marks import reached
from jupyter_gpu_bridge.model import Order, Provider, PutsOff, Rental
from jupyter_gpu_bridge.rentals.allowance import Allowance

_AGAIN = timedelta(minutes=1)


class PuttingOff:
    """Both ends are told what holds when this begins, and later whatever is more; after a crash they are told again."""

    def __init__(self, rental: Rental, order: Order, begun: datetime, lease: Renewal) -> None:
        """`begun`: when the first attempt for its wish did, for the deadline counts from then on."""
        self._first = begun + order.deadline - rental.written
        self._lease = lease
        self._told = self._limit(rental, self._first)
        self._not_before = rental.written

    async def follow(self, rental: Rental, now: datetime, cloud_of: Callable[[Rental], Awaitable[Provider]]) -> str:
        """What is in the way, as a sentence; empty when all is told."""
        limit = self._limit(rental, rental.deadline - rental.written)
        extra = (limit - self._limit(rental, self._first)).total_seconds()
        if extra > self._lease.extra:
            self._lease.extra = extra
            self._lease.renew_now()
        if limit <= self._told or rental.ref is None or now < self._not_before:
            return ""
        try:
            cloud = await cloud_of(rental)
            if cloud.traits.puts_off:
                await cast("PutsOff", cloud).put_off(rental.ref, limit)
            reached("put-off")
        except CloudError as error:
            self._not_before = now + _AGAIN
            return f"Its provider does not know yet that its deadline was put off, and may end it before: {error}"
        self._told = limit
        return ""

    @staticmethod
    def _limit(rental: Rental, time: timedelta) -> timedelta:
        """From the beginning of this attempt: by time, or by its budget at the price that was quoted."""
        return Allowance(time, rental.cap, None).lasts(rental.offer.price)
