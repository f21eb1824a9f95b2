"""Machines of earlier attempts that are back: each is ended by itself, whatever holds up the others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.model import AttemptId, Provider, Rental, WishId
from jupyter_gpu_bridge.rentals.book import Book
from jupyter_gpu_bridge.rentals.reconcile import EVERY
from jupyter_gpu_bridge.rentals.release import release

log = logging.getLogger(__name__)


class Returned:
    """Of one wish: while it has another machine, is to have one, or has one that cannot be ended now."""

    def __init__(self, wish_id: WishId, book: Book, cloud_of: Callable[[Rental], Awaitable[Provider]]) -> None:
        """`cloud_of` may raise `CloudError`: it is tried again."""
        self._wish_id = wish_id
        self._book = book
        self._cloud_of = cloud_of
        self._ending: dict[AttemptId, asyncio.Task[None]] = {}
        self.look = asyncio.Event()
        """Set it, and the ledger is read at once."""

    async def end_all(self) -> None:
        """Until cancelled."""
        try:
            while True:
                self.look.clear()
                await self._begin()
                await self._until_look()
        finally:
            for task in self._ending.values():
                task.cancel()
            await asyncio.gather(*self._ending.values(), return_exceptions=True)

    async def _begin(self) -> None:
        try:
            returned = await self._book.returned(self._wish_id)
        except BridgeError as error:
            log.error("whether a machine is back cannot be read: %s", error)
            return
        for rental in returned:
            known = self._ending.get(rental.attempt_id)
            if known is None or known.done():
                self._ending[rental.attempt_id] = asyncio.create_task(self._end(rental))

    async def _end(self, rental: Rental) -> None:
        try:
            await release(rental, await self._cloud_of(rental), self._book, rental.reason)
        except (BridgeError, OSError) as error:
            log.warning("%s, which is back, is not ended yet: %s", rental.name, error)

    async def _until_look(self) -> None:
        napping = asyncio.ensure_future(self._book.clock.sleep(EVERY))
        told = asyncio.ensure_future(self.look.wait())
        try:
            await asyncio.wait([napping, told], return_when=asyncio.FIRST_COMPLETED)
        finally:
            napping.cancel()
            told.cancel()
