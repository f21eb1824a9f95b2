"""Whether machines were rented here of which the ledger knows nothing: it was lost, and another one was made.

The keys of an attempt are made before anything is sent, are kept beside the ledger, and are thrown away once its
machine is gone. So those that are left say what a ledger that was lost cannot say.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from jupyter_gpu_bridge.rentals import key_pairs
from jupyter_gpu_bridge.rentals.book import Book
from jupyter_gpu_bridge.rentals.ledger import Ledger

LOST = "This ledger knows nothing of machines that were rented here before, and which may be billed."
LOOK = "jupyter gpu orphans"


async def is_lost(book: Book) -> bool:
    """What is younger than the ledger belongs to an attempt that died before it was written down."""
    made = await asyncio.to_thread(key_pairs.made)
    if not made:
        return False
    known = {rental.attempt_id for rental in await book.read(Ledger.rentals, live_only=False)}
    unknown = [at for attempt_id, at in made.items() if attempt_id not in known]
    return bool(unknown) and min(unknown) < await _began(book)


async def _began(book: Book) -> datetime:
    """When something was wished for first, as far as this ledger knows."""
    wishes = await book.read(Ledger.wishes, open_only=False)
    return wishes[0].asked if wishes else book.clock.now()
