"""A line of real sockets between two descriptors that passes bytes on in pieces, stalls, and breaks at any byte."""

from __future__ import annotations

import asyncio
import random
import socket


class RoughLine:
    """`left` and `right` are its ends; whoever has them is cut off when `breaks_after` bytes have passed either way."""

    def __init__(self, chance: random.Random, breaks_after: int | None) -> None:
        self.left, self._near = socket.socketpair()
        self._far, self.right = socket.socketpair()
        self._chance = chance
        self._left_to_pass = breaks_after
        self._pumps: list[asyncio.Task[None]] = []
        self.broken = asyncio.Event()

    def open(self) -> None:
        for each in (self._near, self._far):
            each.setblocking(False)
        ways = ((self._near, self._far), (self._far, self._near))
        self._pumps = [asyncio.get_running_loop().create_task(self._pump(*way)) for way in ways]

    async def close(self) -> None:
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        for each in (self.left, self._near, self._far, self.right):
            each.close()

    async def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                data = await loop.sock_recv(source, self._chance.choice((1, 13, 500, 70_000, 300_000)))
                if not data:
                    break
                if self._left_to_pass is not None:
                    data = data[: self._left_to_pass]
                    self._left_to_pass -= len(data)
                await loop.sock_sendall(sink, data)
                if self._left_to_pass == 0:
                    break
                if self._chance.random() < 0.02:
                    await asyncio.sleep(0.002)  # a stall
        except OSError:
            pass  # the other way broke first
        self.broken.set()
        for each in (self._near, self._far):
            each.close()
