"""The bad weather itself: tests that rely on it must be able to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.cutting import CutProxy, Direction, How

pytestmark = pytest.mark.timeout(30)


@asynccontextmanager
async def proxied() -> AsyncIterator[CutProxy]:
    """A proxy before a server that echoes."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass  # cut, as the tests mean it to be
        finally:
            writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, CutProxy(server.sockets[0].getsockname()[1]) as proxy:
        yield proxy


async def _ends(reader: asyncio.StreamReader) -> tuple[bytes, bool]:
    """What came until the end, and whether the end was a reset."""
    found = bytearray()
    try:
        while data := await asyncio.wait_for(reader.read(65536), 10):
            found += data
    except ConnectionResetError:
        return bytes(found), True
    return bytes(found), False


async def test_in_fair_weather_everything_passes() -> None:
    async with proxied() as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"x" * 300_000)
        writer.write_eof()
        assert await _ends(reader) == (b"x" * 300_000, False)
        assert proxy.passed(Direction.UP) == proxy.passed(Direction.DOWN) == 300_000
        writer.close()


@pytest.mark.parametrize("how", list(How))
async def test_a_cut_ends_what_is_open_and_lets_others_come(how: How) -> None:
    async with proxied() as proxy:
        for _ in range(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            await proxy.cut(how)
            assert await _ends(reader) == (b"", how is How.RST)
            assert proxy.open_connections == 0
            writer.close()


@pytest.mark.parametrize("count", [0, 1, 70_000])
async def test_a_cut_comes_after_exactly_so_many_bytes(count: int) -> None:
    async with proxied() as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        happened = proxy.cut_after(count, Direction.DOWN, How.FIN)
        writer.write(b"x" * 100_000)
        assert await _ends(reader) == (b"x" * count, False)
        await asyncio.wait_for(happened.wait(), 5)
        writer.close()


async def test_while_stalled_nothing_passes_and_nothing_is_said() -> None:
    async with proxied() as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        proxy.stall(Direction.DOWN)
        writer.write(b"hello")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.3)
        proxy.resume()
        assert await reader.readexactly(5) == b"hello"
        writer.close()


async def test_refusing_refuses_and_keeps_what_is_open() -> None:
    async with proxied() as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        await proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"still")
        assert await reader.readexactly(5) == b"still"
        writer.close()
        proxy.listen()
        _, again = await asyncio.open_connection("127.0.0.1", proxy.port)
        again.close()


async def test_slowness_is_as_slow_as_asked() -> None:
    async with proxied() as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        proxy.slow(50_000, Direction.DOWN)
        loop = asyncio.get_running_loop()
        start = loop.time()
        writer.write(b"x" * 25_000)
        await reader.readexactly(25_000)
        assert 0.4 < loop.time() - start < 3
        writer.close()
