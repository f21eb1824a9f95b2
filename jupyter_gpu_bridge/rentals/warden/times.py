"""How long the stages of a rental usually take, by provider and GPU; kept in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from jupyter_gpu_bridge.model import WishId
from jupyter_gpu_bridge.rentals.book import Book
from jupyter_gpu_bridge.rentals.ledger import Ledger


class RentalTimes:
    """Of the machine that a wish has now."""

    def __init__(self, wish_id: WishId, book: Book) -> None:
        self._wish_id = wish_id
        self._book = book

    async def typical(self) -> Mapping[str, timedelta]:
        rental = await self._book.live(self._wish_id)
        if rental is None:
            return {}
        return await self._book.read(Ledger.typical, rental.provider, rental.offer.gpu)

    async def took(self, stage: str, time: timedelta) -> None:
        rental = await self._book.live(self._wish_id)
        if rental is not None:
            await self._book.read(Ledger.stage, rental.attempt_id, stage, time, rental.provider, rental.offer.gpu)
