"""Tells the market what became of machines; what cannot be written down is forgotten, and stops nobody."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.model import GpuCompared, Outcome, Rental
from jupyter_gpu_bridge.rentals.book import Book

log = logging.getLogger(__name__)


async def tell_outcome(book: Book, rental: Rental, what: Outcome, why: str = "") -> None:
    now = book.clock.now()
    try:
        await book.read(lambda ledger: ledger.experience.happened(rental, what, why, now))
    except BridgeError as error:
        log.warning("%s: that it %s is forgotten: %s", rental.name, what.value, error)


async def tell_measured(book: Book, rental: Rental, compared: Sequence[GpuCompared], torch: str) -> bool:
    """Whether it is written down."""
    now = book.clock.now()
    try:
        await book.read(lambda ledger: ledger.experience.measured(rental, compared, torch, now))
    except BridgeError as error:
        log.warning("%s: what was measured is forgotten: %s", rental.name, error)
        return False
    return True
