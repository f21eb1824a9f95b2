from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.machine.facade.far import Client, Far

Started = Callable[[str], Coroutine[None, None, Client]]


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """Unix socket paths are short; pytest's folders are not."""
    with tempfile.TemporaryDirectory(prefix="jgb") as folder:
        yield Path(folder)


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[tuple[Far, Started]]:
    """A far side with a running link, and a way to start clients; everything is ended at the end."""
    far, clients = Far(folder), list[Client]()

    async def started(session: str) -> Client:
        client = Client(far, session)
        clients.append(client)
        await client.start()
        return client

    await far.listen()
    await far.start_link()
    try:
        yield far, started
    finally:
        for client in clients:
            await client.kill()
        await far.close()
