"""A program's end of the link's private socket: once it is closed, nothing of it waits, tries or holds a connection."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from jupyter_gpu_bridge.errors import LinkLost
from jupyter_gpu_bridge.machine.link import LinkClient, links
from jupyter_gpu_bridge.machine.link.links import is_linked
from jupyter_gpu_bridge.machine.link.places import folder_of, socket_of
from jupyter_gpu_bridge.model import MachineRef
from tests.own_home import own_home

__all__ = ["own_home"]

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60), pytest.mark.usefixtures("own_home")]

MACHINE = MachineRef("local")
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def a_link(*, greets: bool = True) -> AsyncIterator[list[asyncio.StreamWriter]]:
    """Something at the link's socket that says yes to the first question and then nothing; its connections."""
    here: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here.append(writer)
        if greets:
            question = json.loads(await reader.readline())
            writer.write(json.dumps({"id": question["id"], "ok": {}}).encode() + b"\n")

    server = await asyncio.start_unix_server(accept, str(socket_of(folder_of(MACHINE))))
    try:
        yield here
    finally:
        server.close()
        for writer in here:
            writer.close()
        socket_of(folder_of(MACHINE)).unlink(missing_ok=True)


async def _until(condition: Callable[[], object]) -> None:
    give_up = asyncio.get_running_loop().time() + 20
    while not condition():
        assert asyncio.get_running_loop().time() < give_up
        await asyncio.sleep(0.01)


async def test_a_client_that_is_closed_while_it_waits_leaves_nothing() -> None:
    before = asyncio.all_tasks()
    client = LinkClient(MACHINE, lambda news: None)
    async with a_link():
        await client.connect(start=False)
        question = asyncio.ensure_future(client.ask("status"))
        await asyncio.sleep(0)
        await client.close()
        with pytest.raises(LinkLost):
            await question
        with pytest.raises(LinkLost):
            await client.connect(start=False)
    await _until(lambda: asyncio.all_tasks() == before)
    gc.collect()


async def test_a_client_that_is_closed_while_it_looks_for_its_link_leaves_nothing() -> None:
    before = asyncio.all_tasks()
    client = LinkClient(MACHINE, lambda news: None)
    order = folder_of(MACHINE) / "kernels" / "one" / "order.json"
    order.parent.mkdir(parents=True)
    order.touch()  # it is found again while there is any work for it
    async with a_link() as connections:
        await client.connect(start=False)
        connections[0].close()
        await _until(lambda: len(connections) == 2)  # found again
        await client.close()
        await asyncio.sleep(0.3)
        assert len(connections) == 2
    async with a_link(greets=False) as connections:
        late = LinkClient(MACHINE, lambda news: None)
        connecting = asyncio.ensure_future(late.connect(start=False))
        await _until(lambda: connections)
        await late.close()
        with pytest.raises(LinkLost):
            await connecting
    await _until(lambda: asyncio.all_tasks() == before)
    gc.collect()


async def test_a_link_that_hangs_holds_nobody_up() -> None:
    client = LinkClient(MACHINE)
    async with a_link():
        await client.connect(start=False)
        question = asyncio.ensure_future(client.ask("log", text="x" * 8_000_000))
        await asyncio.sleep(0)
        await asyncio.wait_for(client.close(), 5)
        with pytest.raises(LinkLost):
            await question
    gc.collect()


async def test_all_links_of_a_process_end_together_and_begin_anew() -> None:
    first = links()
    async with a_link() as connections:
        asking = asyncio.ensure_future(first.run(first.ask(MACHINE, None, "status")))
        await _until(lambda: connections)
        await first.close()
        with pytest.raises((LinkLost, asyncio.CancelledError)):
            await asking
    assert not is_linked()
    assert links() is not first
    await links().close()
    gc.collect()


def test_threads_that_ask_at_once_have_the_same_links(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(lambda _: links(), range(64)))) == 1
    asyncio.run(links().close())
