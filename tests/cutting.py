"""A TCP proxy in front of a port of this computer that cuts, refuses, stalls and slows: bad weather on demand."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from enum import Enum
from types import TracebackType

from tests.ports import free_port

_CHUNK = 1 << 18
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Direction(Enum):
    UP = "up"
    """From the client to the server."""
    DOWN = "down"
    """From the server to the client."""


class How(Enum):
    RST = "rst"
    """Connection reset; what the far kernel has not taken yet is lost."""
    FIN = "fin"
    """An orderly end of file; everything passed on before it arrives."""


class _Weather:
    """What bytes of one direction meet, in all connections together."""

    def __init__(self) -> None:
        self.passing = asyncio.Event()
        self.passing.set()
        self.rate: float | None = None
        self.left: int | None = None
        """How many more bytes may pass until the cut."""
        self.how = How.RST
        self.cut = asyncio.Event()
        self.passed = 0


class CutProxy:
    """`async with CutProxy(port) as proxy:` — then connect to `proxy.port` instead of `port`."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = free_port()
        self.accepted = 0
        """How many connections were taken so far."""
        self._weather = {direction: _Weather() for direction in Direction}
        self._listener: socket.socket | None = None
        self._acceptor: asyncio.Task[None] | None = None
        self._connections: dict[asyncio.Task[None], tuple[socket.socket, socket.socket]] = {}

    async def __aenter__(self) -> CutProxy:
        self.listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.refuse()
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    # faults --------------------------------------------------------------------------------------------------------

    async def cut(self, how: How = How.RST) -> None:
        """End all connections now, at both sides."""
        connections = dict(self._connections)
        for connection, sockets in connections.items():
            for each in sockets:
                _end(each, how)
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    def cut_after(self, count: int, direction: Direction, how: How = How.RST) -> asyncio.Event:
        """Pass on exactly `count` more bytes that way, then cut all connections; the event says that it happened."""
        weather = self._weather[direction]
        weather.left, weather.how, weather.cut = count, how, asyncio.Event()
        return weather.cut

    async def refuse(self) -> None:
        """Take no more connections; those that are there stay."""
        acceptor, self._acceptor = self._acceptor, None
        if acceptor is not None:
            acceptor.cancel()
            await asyncio.gather(acceptor, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def listen(self) -> None:
        """Take connections (again), on the same port as ever."""
        if self._listener is not None:
            return
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self._listener.setblocking(False)
        self._acceptor = asyncio.create_task(self._accept(self._listener), name="cut-proxy")

    def stall(self, *directions: Direction) -> None:
        """Pass nothing on that way (both ways when none is named) and say nothing: packets dropped, TCP not told."""
        for direction in directions or tuple(Direction):
            self._weather[direction].passing.clear()

    def resume(self) -> None:
        """Fair weather: no stall, no slowness, no cut to come, and connections are taken."""
        for weather in self._weather.values():
            weather.passing.set()
            weather.rate = weather.left = None
        self.listen()

    def slow(self, bytes_per_second: float | None, *directions: Direction) -> None:
        """Pass on at most so much that way (both ways when none is named), in all connections together."""
        for direction in directions or tuple(Direction):
            self._weather[direction].rate = bytes_per_second

    def passed(self, direction: Direction) -> int:
        """How many bytes went that way so far."""
        return self._weather[direction].passed

    @property
    def open_connections(self) -> int:
        return len(self._connections)

    # the pump ------------------------------------------------------------------------------------------------------

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(listener)
            self.accepted += 1
            server = socket.socket()
            for each in (client, server):
                each.setblocking(False)
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = asyncio.create_task(self._carry(client, server), name="cut-proxy-connection")
            self._connections[connection] = (client, server)
            connection.add_done_callback(self._connections.pop)

    async def _carry(self, client: socket.socket, server: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with client, server:
            try:
                await loop.sock_connect(server, ("127.0.0.1", self.target_port))
            except OSError:
                _end(client, How.RST)
                return
            ways = (self._pump(client, server, Direction.UP), self._pump(server, client, Direction.DOWN))
            pumps = [asyncio.create_task(way) for way in ways]
            try:
                await asyncio.gather(*pumps)
            except OSError:  # one side was reset: so is the other
                for each in (client, server):
                    _end(each, How.RST)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(self, source: socket.socket, sink: socket.socket, direction: Direction) -> None:
        loop = asyncio.get_running_loop()
        weather = self._weather[direction]
        while True:
            await weather.passing.wait()
            data = await loop.sock_recv(source, _CHUNK)
            await weather.passing.wait()
            if not data:
                with contextlib.suppress(OSError):
                    sink.shutdown(socket.SHUT_WR)
                return
            while data:
                await weather.passing.wait()
                piece = data if weather.rate is None else data[: max(1, int(weather.rate / 50))]
                if weather.left is not None:
                    piece = piece[: weather.left]
                    weather.left -= len(piece)
                data = data[len(piece) :]
                await loop.sock_sendall(sink, piece)
                weather.passed += len(piece)
                if weather.left == 0:
                    self._cut_from_within(weather)
                    return
                if weather.rate is not None:
                    await asyncio.sleep(len(piece) / weather.rate)

    def _cut_from_within(self, weather: _Weather) -> None:
        weather.left = None
        for connection, sockets in list(self._connections.items()):
            for each in sockets:
                _end(each, weather.how)
            connection.cancel()
        weather.cut.set()


def _end(each: socket.socket, how: How) -> None:
    """End one side at once; its descriptor is closed by whoever made it."""
    with contextlib.suppress(OSError):
        if how is How.FIN:
            each.shutdown(socket.SHUT_RDWR)
        else:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
