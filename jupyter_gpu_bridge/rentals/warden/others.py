"""What a warden does for what is not its own: the ledger is compared with the clouds, and others are woken."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.model import WishId
from jupyter_gpu_bridge.providers.clouds import Clouds
from jupyter_gpu_bridge.rentals.book import Book
from jupyter_gpu_bridge.rentals.ledger import Ledger
from jupyter_gpu_bridge.rentals.reconcile import EVERY, reconcile, reconcile_now_and_then
from jupyter_gpu_bridge.rentals.waking import wake


class Others:
    """Whatever fails here is tried again later, by whoever comes then."""

    def __init__(self, book: Book, clouds: Clouds) -> None:
        self._book = book
        self._clouds = clouds

    async def wake(self, wish_id: WishId) -> None:
        """See to it that a wish has its warden."""
        with contextlib.suppress(BridgeError, OSError):
            await wake(wish_id)

    async def compare(self, providers: Sequence[str]) -> None:
        """Before anything is rented there: what is billed already may be forgotten."""
        with contextlib.suppress(BridgeError, OSError):
            await self._wake_all(await reconcile(self._book, self._clouds, providers))

    async def compare_now_and_then(self) -> None:
        """As long as there is something to compare; of all wardens one does it for each account."""
        while True:
            await self._book.clock.sleep(EVERY)
            with contextlib.suppress(BridgeError, OSError):
                for provider in {each.provider for each in await self._book.read(Ledger.rentals)}:
                    await self._wake_all(await reconcile_now_and_then(self._book, self._clouds, provider))

    async def _wake_all(self, wishes: Sequence[WishId]) -> None:
        for wish_id in wishes:
            await self.wake(wish_id)
