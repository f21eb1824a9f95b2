"""The end of a machine, whatever becomes of what is written about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jupyter_gpu_bridge.errors import LedgerBroken
from jupyter_gpu_bridge.model import Ref, Seen, Traits
from jupyter_gpu_bridge.rentals.book import Book
from jupyter_gpu_bridge.rentals.release import release
from tests.own_home import own_home
from tests.rentals.renting.in_memory import Process, Timeline
from tests.renting import RENTED

__all__ = ["own_home"]


class Unreadable(Book):
    async def read(self, question: Callable[..., Any], *args: Any, **more: Any) -> Any:
        raise LedgerBroken("It cannot be read.")


class Noting:
    """A cloud that is asked to end a machine."""

    name = "sandbox"
    traits = Traits("Far", limits_at_create=True)

    def __init__(self) -> None:
        self.destroyed: asyncio.Future[Ref] = asyncio.get_running_loop().create_future()

    async def destroy(self, ref: Ref) -> None:
        self.destroyed.set_result(ref)

    async def list(self) -> Sequence[Seen]:
        return []


async def test_a_ledger_that_cannot_even_be_read_keeps_nobody_from_ending_a_machine(own_home: Path) -> None:
    cloud = Noting()
    book = Unreadable(None, Process(Timeline()))  # type: ignore[arg-type]
    ending = asyncio.ensure_future(release(RENTED, cloud, book, "It was a test."))  # type: ignore[arg-type]
    try:
        assert await asyncio.wait_for(cloud.destroyed, 10) == RENTED.ref
    finally:
        ending.cancel()
        await asyncio.gather(ending, return_exceptions=True)
