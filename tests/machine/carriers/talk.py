"""To talk over a carrier, and to see that nothing is left when it is gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import AsyncIterator, Iterator

import psutil

from jupyter_gpu_bridge.machine.carriers import Carrier, Dialer

DEADLINE = 20.0


@contextlib.contextmanager
def end_of(carrier: Carrier) -> Iterator[socket.socket]:
    """A descriptor of our own for the carrier's end."""
    with socket.socket(fileno=os.dup(carrier.reader)) as end:
        yield end


@contextlib.asynccontextmanager
async def dialled(dialer: Dialer, command: str) -> AsyncIterator[Carrier]:
    carrier = await dialer.dial(command)
    try:
        yield carrier
    finally:
        await carrier.close()


async def read(carrier: Carrier, count: int) -> bytes:
    """So many bytes, or fewer when the pipe ends before."""
    loop = asyncio.get_running_loop()
    found = bytearray()
    with end_of(carrier) as end:
        while len(found) < count:
            piece = await asyncio.wait_for(loop.sock_recv(end, min(1 << 20, count - len(found))), DEADLINE)
            if not piece:
                break
            found += piece
    return bytes(found)


async def read_all(carrier: Carrier) -> bytes:
    """Everything until the end of file."""
    return await read(carrier, 1 << 40)


async def write(carrier: Carrier, data: bytes) -> None:
    with end_of(carrier) as end:
        await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(end, data), DEADLINE)


async def output_of(dialer: Dialer, command: str) -> str:
    """What a command prints until it ends."""
    async with dialled(dialer, command) as carrier:
        return (await read_all(carrier)).decode()


@contextlib.asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """Afterwards no more processes, threads and descriptors are here than before; some need a moment to end."""
    await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 1)  # starts the thread pool, which stays
    before = _held()
    yield
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 5
    while (after := _held()) != before:
        assert loop.time() < deadline, f"left behind: {after} instead of {before}"
        await asyncio.sleep(0.01)


def _held() -> tuple[int, list[int], list[str]]:
    this = psutil.Process()
    children = sorted(child.pid for child in this.children())
    threads = sorted(each.name for each in threading.enumerate() if not each.name.startswith("asyncio_"))
    return this.num_fds(), children, threads
