"""Whoever connects to a keeper's socket: a lane of a link, or somebody with a question."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from typing import TYPE_CHECKING, Any

from jupyter_gpu_bridge.agent.duplex import Duplex, widen
from jupyter_gpu_bridge.agent.frames import Buffer, WireError
from jupyter_gpu_bridge.agent.mux import PATIENCE

if TYPE_CHECKING:
    from jupyter_gpu_bridge.agent.keeper import Keeper

MOST_REQUEST = 4096
REQUEST_PATIENCE = 10.0
"""Seconds that a visitor has to say what it wants."""


class Visitor:
    """One connection to the keeper's socket: the first line says what it wants."""

    def __init__(self, keeper: Keeper, connection: socket.socket) -> None:
        self._keeper = keeper
        self._socket = connection
        self._line = bytearray()
        self._lane = ""
        self._answer: list[Buffer] = []
        self._later: asyncio.TimerHandle | None = None
        self._too_slow = asyncio.get_running_loop().call_later(REQUEST_PATIENCE, self._gone, "no request")
        descriptor = connection.fileno()
        widen(descriptor)
        self._duplex = Duplex(descriptor, descriptor, received=self._received, pull=self._pull, ended=self._gone)

    def wake(self) -> None:
        self._duplex.wake()

    def wake_soon(self) -> None:
        if self._later is None:
            self._later = asyncio.get_running_loop().call_later(PATIENCE, self._now)

    def _now(self) -> None:
        self._later = None
        self.wake()

    def consumed(self, size: int) -> None:
        """A keeper always has room: what comes goes straight to the kernel."""

    def close(self) -> None:
        self._too_slow.cancel()
        if self._later is not None:
            self._later.cancel()
        self._duplex.close()
        self._socket.close()

    def _received(self, data: memoryview) -> None:
        try:
            if self._lane:
                self._keeper.channels[self._lane].push(data)
                return
            self._line += data
            line, found, rest = bytes(self._line).partition(b"\n")
            if found:
                self._begin(json.loads(line), rest)
            elif len(self._line) > MOST_REQUEST:
                raise WireError("no request")
        except Exception as error:
            # Whatever it was, its place in the stream is lost; the kernel and the other visitors have nothing to do
            # with it, and an honest link comes again.
            print(f"a visitor was sent away: {error!r}", file=sys.stderr, flush=True)
            self._gone("")

    def _begin(self, request: dict[str, Any], rest: bytes) -> None:
        lane = request["lane"]
        self._line.clear()
        if lane == "status":
            self._answer = [json.dumps(self._keeper.status()).encode() + b"\n"]
            self._duplex.wake()
            return
        if lane == "stop":
            self._keeper.end()
            return
        channel = self._keeper.channels[lane]
        self._keeper.settle(lane, str(request["owner"]), self)
        self._lane = lane
        self._too_slow.cancel()
        channel.connect(self)
        if rest:
            channel.push(memoryview(rest))

    def _pull(self) -> list[Buffer]:
        if self._answer:
            answer, self._answer = self._answer, []
            return answer
        return self._keeper.channels[self._lane].pull(256 * 1024) if self._lane else []

    def _gone(self, reason: str) -> None:
        self.close()
        if self._lane:
            self._keeper.left(self._lane, self)
