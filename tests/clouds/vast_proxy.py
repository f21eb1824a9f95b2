"""The SSH proxy of the simulated Vast.ai: a port for each instance, at an address where nothing else answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from tests.clouds.vast_instances import PROXY

_CHUNK = 64 * 1024


class Proxies:
    """`port_of`: where the SSH server of an instance is at that moment; 0: nowhere."""

    def __init__(self, port_of: Callable[[str], int]) -> None:
        self._port_of = port_of
        self._servers: dict[str, asyncio.Server] = {}

    async def port(self, machine_id: str) -> int:
        if machine_id not in self._servers:

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await self._lead(machine_id, reader, writer)

            started = await asyncio.start_server(serve, PROXY, 0)
            if self._servers.setdefault(machine_id, started) is not started:
                started.close()  # another request was quicker
        return int(self._servers[machine_id].sockets[0].getsockname()[1])

    def close(self) -> None:
        for server in self._servers.values():
            server.close()

    async def _lead(self, machine_id: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            there, back = await asyncio.open_connection("127.0.0.1", self._port_of(machine_id))
            await asyncio.gather(_copy(reader, back), _copy(there, writer))
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()
