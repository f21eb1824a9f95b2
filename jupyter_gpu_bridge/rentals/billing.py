"""What a provider has really billed: with its disks and its traffic, it may be more than the price comes to."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import timedelta
from typing import cast

from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.in_time import in_time
from jupyter_gpu_bridge.model import Money, Provider, Rental, TellsBill
from jupyter_gpu_bridge.rentals.book import Book
from jupyter_gpu_bridge.rentals.ledger import Ledger

log = logging.getLogger(__name__)

EVERY = timedelta(minutes=10)
"""Providers bill now and then, and not by the second."""
BILLED = "billed"
"""Such events tell of it."""

_PATIENCE = 5.0
"""Seconds, real ones: nobody is kept waiting for a bill."""
_WORTH_A_WORD = Money.parse("0.01")


async def count_bill(rental: Rental, cloud: Provider, book: Book) -> Rental:
    """With what is billed, where that is more than was counted here. A bill that cannot be had changes nothing."""
    if not cloud.traits.tells_bill or rental.ref is None:
        return rental
    try:
        since = rental.requested or rental.written
        billed = await in_time(cast("TellsBill", cloud).bill(rental.ref, since), _PATIENCE)
    except (BridgeError, asyncio.TimeoutError) as error:
        log.info(
            "%s does not say what %s has cost: %s", rental.provider, rental.name, str(error) or "no answer in time"
        )
        return rental
    if billed <= rental.accrued:
        return rental
    more = billed - rental.accrued
    rental = await book.read(Ledger.bill, rental.attempt_id, billed)
    if more >= _WORTH_A_WORD:
        with contextlib.suppress(BridgeError):
            why = f"{more} more than its price per hour comes to, as with a disk or traffic"
            await book.note(rental, BILLED, f"{cloud.traits.title} has billed {billed} until now: {why}.")
    return rental
