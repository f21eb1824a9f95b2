"""Finds out whether a machine was made when the answer to that was lost: by its unique name in the listing.

One listing that does not show it proves nothing, as a new machine may come into it late; two do, when the second was
taken after everything that was on its way had time to arrive. Where nothing was sent, as the ledger is written before,
one listing is only there to be sure.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from jupyter_gpu_bridge.errors import CloudError
from jupyter_gpu_bridge.model import Provider, Rental, RentalState, Seen
from jupyter_gpu_bridge.providers.clouds import require_account
from jupyter_gpu_bridge.rentals.clock import Clock

_PAUSES = (2, 3, 10, 15, 30, 60)
_LONGEST = 300
SENT_WITHIN = timedelta(seconds=60)
"""A request that is still on its way after so long has been given up by everybody who carried it."""


async def find(rental: Rental, cloud: Provider, clock: Clock) -> Seen | None:
    """The machine of this attempt, or `None` once it is certain that there is none. As long as it takes."""
    proof = _Proof(timedelta(0) if rental.state is RentalState.INTENT else max(SENT_WITHIN, cloud.traits.listing_lag))
    for pause in _pauses():
        try:
            seen = next((each for each in await cloud.list() if each.name == rental.name), None)
        except CloudError:
            pass  # asked again: whether there is a machine has to be known
        else:
            if seen is not None:
                return seen
            if proof.is_complete(clock.now()) and await _is_account(rental, cloud):
                return None
        await clock.sleep(pause)
    raise AssertionError("unreachable")


async def _is_account(rental: Rental, cloud: Provider) -> bool:
    try:
        await require_account(rental, cloud)
    except CloudError:
        return False  # it is asked again: what another account lists proves nothing
    return True


class _Proof:
    """That there is no machine: it was not there, and still not there so much later."""

    def __init__(self, apart: timedelta) -> None:
        self._apart = apart
        self._first: datetime | None = None

    def is_complete(self, now: datetime) -> bool:
        self._first = self._first or now
        return now - self._first >= self._apart


def _pauses() -> Iterator[timedelta]:
    for seconds in _PAUSES:
        yield timedelta(seconds=seconds)
    while True:
        yield timedelta(seconds=_LONGEST)
