"""The agent: takes carriers from whoever attaches, joins their channels to keepers, and starts keepers.

One process per machine and version. It holds nothing that cannot be lost: what a kernel said is with its keeper. When
it is killed, the next carrier starts another one, which finds the keepers where they are.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from jupyter_gpu_bridge.agent.control import Control
from jupyter_gpu_bridge.agent.environment import Report
from jupyter_gpu_bridge.agent.figures import figures
from jupyter_gpu_bridge.agent.kernel_process import tail
from jupyter_gpu_bridge.agent.kernels import Kernels
from jupyter_gpu_bridge.agent.mux import Endpoint, Mux, Refusal
from jupyter_gpu_bridge.agent.places import agent_socket
from jupyter_gpu_bridge.agent.splice import Splice

IDLE_LIFE = 600.0
"""Seconds without any carrier and any kernel after which the agent leaves."""


class Agent:
    """Everything between the carriers and the keepers."""

    def __init__(self, home: Path, version: str) -> None:
        self._home = home
        self._version = version
        self._loop = asyncio.get_running_loop()
        self._kernels = Kernels(home)
        self._carriers: dict[str, Carrier] = {}
        self._anonymous: set[Carrier] = set()
        self._done = asyncio.Event()
        self._leaving = self._loop.call_later(IDLE_LIFE, self._maybe_leave)

    async def run(self) -> None:
        path = agent_socket(self._home, self._version)
        path.unlink(missing_ok=True)
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.bind(str(path))
        server.listen(16)
        server.setblocking(False)
        self._loop.add_reader(server.fileno(), self._visit, server)
        for name in (signal.SIGHUP, signal.SIGINT):
            self._loop.add_signal_handler(name, lambda: None)
        self._loop.add_signal_handler(signal.SIGTERM, self._done.set)
        await self._done.wait()
        server.close()
        path.unlink(missing_ok=True)

    def settle(self, carrier: Carrier, link: str) -> None:
        """The newest carrier of a link is the one that counts."""
        self._anonymous.discard(carrier)
        before = self._carriers.pop(link, None)
        self._carriers[link] = carrier
        if before is not None:
            before.close()

    def left(self, carrier: Carrier) -> None:
        self._anonymous.discard(carrier)
        for link, present in list(self._carriers.items()):
            if present is carrier:
                del self._carriers[link]

    def open_channel(self, request: dict[str, Any]) -> Endpoint:
        service = request.get("service")
        if service == "control":
            return Control(self._answer)
        if service == "keeper":
            lane = str(request["lane"])
            connection = self._kernels.connect(str(request["kernel_id"]))
            return Splice(connection, json.dumps({"lane": lane}).encode() + b"\n")
        raise Refusal("unknown-service", f"This agent knows no service {service!r}.")

    async def _answer(self, request: dict[str, Any], report: Report) -> Any:
        verb = request.get("do")
        if verb == "start":
            return await self._kernels.start(request["spec"], report)
        if verb == "kernels":
            return await self._kernels.list()
        if verb == "stop":
            return await self._kernels.stop(str(request["kernel_id"]))
        if verb == "log":
            folder = self._kernels.folder(str(request["kernel_id"]))
            return {"log": tail(folder / "kernel.log", 256 * 1024)}
        if verb == "figures":
            return await figures(self._home)
        if verb == "end":
            self._loop.call_later(0.2, self._done.set)
            return {}
        raise Refusal("unknown-verb", f"This agent cannot do {verb!r}.")

    def _visit(self, server: socket.socket) -> None:
        try:
            connection, _ = server.accept()
        except (BlockingIOError, InterruptedError, ConnectionError):
            return
        connection.settimeout(1.0)
        try:
            _, descriptors = _receive_descriptors(connection)
        except (OSError, ValueError) as error:
            print(f"a visitor was sent away: {error}", file=sys.stderr, flush=True)
            connection.close()
            return
        connection.setblocking(False)
        carrier = Carrier(self, connection, descriptors)
        self._anonymous.add(carrier)

    def _maybe_leave(self) -> None:
        if self._carriers or self._anonymous or self._kernels.any_alive():
            self._leaving = self._loop.call_later(IDLE_LIFE, self._maybe_leave)
        else:
            self._done.set()


class Carrier:
    """One attached pipe to a link."""

    def __init__(self, agent: Agent, holder: socket.socket, descriptors: list[int]) -> None:
        self._agent = agent
        self._holder = holder
        self._descriptors = descriptors
        self._mux = Mux(
            descriptors[0],
            descriptors[1],
            hello={"agent": os.getpid()},
            greeted=self._greeted,
            opened=agent.open_channel,
            ended=self._ended,
        )

    def close(self) -> None:
        self._mux.close()
        self._let_go()

    def _greeted(self, hello: dict[str, Any]) -> None:
        self._agent.settle(self, str(hello.get("link")))

    def _ended(self, reason: str) -> None:
        if reason:
            print(f"a carrier ended: {reason}", file=sys.stderr, flush=True)
        self._agent.left(self)
        self._let_go()

    def _let_go(self) -> None:
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = []
        self._holder.close()


def _receive_descriptors(connection: socket.socket) -> tuple[bytes, list[int]]:
    space = socket.CMSG_LEN(2 * 4)
    data, extra, _, _ = connection.recvmsg(64, space)
    for level, kind, payload in extra:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors = [
                int.from_bytes(payload[at : at + 4], sys.byteorder) for at in range(0, len(payload) // 4 * 4, 4)
            ]
            if len(descriptors) == 2:
                return data, descriptors
            for descriptor in descriptors:
                os.close(descriptor)
    raise ValueError("no pipe was handed over")


def main(home: Path, version: str) -> int:
    async def run() -> None:
        await Agent(home, version).run()

    asyncio.run(run())
    return 0
