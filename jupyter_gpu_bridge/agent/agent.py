"""The agent: takes carriers from whoever attaches, joins their channels to keepers, and starts keepers.

One process per machine and version. It holds nothing that cannot be lost: what a kernel said is with its keeper. When
it is killed, the next carrier starts another one, which finds the keepers where they are.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from jupyter_gpu_bridge.agent import environment
from jupyter_gpu_bridge.agent.checking import Checking
from jupyter_gpu_bridge.agent.control import Control
from jupyter_gpu_bridge.agent.duplex import widen
from jupyter_gpu_bridge.agent.environment import Report
from jupyter_gpu_bridge.agent.figures import figures
from jupyter_gpu_bridge.agent.kernel_process import tail
from jupyter_gpu_bridge.agent.kernels import Kernels
from jupyter_gpu_bridge.agent.lease import VERBS as LEASE_VERBS
from jupyter_gpu_bridge.agent.lease import Lease
from jupyter_gpu_bridge.agent.memory import settle_in
from jupyter_gpu_bridge.agent.mux import Endpoint, Mux, Refusal
from jupyter_gpu_bridge.agent.places import agent_socket
from jupyter_gpu_bridge.agent.splice import Splice

IDLE_LIFE = 600.0
"""Seconds without any carrier and any kernel after which the agent leaves."""
VISIT_PATIENCE = 10.0
"""Seconds that a visitor has to hand a pipe over."""


class Agent:
    """Everything between the carriers and the keepers."""

    def __init__(self, home: Path, version: str) -> None:
        self._home = home
        self._version = version
        self._loop = asyncio.get_running_loop()
        self._kernels = Kernels(home)
        self._checking = Checking(home)
        self._lease = Lease(home, self._kernels)
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
        self._loop.add_signal_handler(signal.SIGCHLD, self._kernels.reap)
        self._kernels.sweep_dead()
        telling = self._loop.create_task(self._lease.tell())
        await self._done.wait()
        telling.cancel()
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
            wanted = {"lane": str(request["lane"]), "owner": str(request["owner"])}
            return Splice(self._kernels.connect(str(request["kernel_id"])), json.dumps(wanted).encode() + b"\n")
        raise Refusal("unknown-service", f"This agent knows no service {service!r}.")

    async def _answer(self, request: dict[str, Any], report: Report) -> Any:
        verb = request.get("do")
        if verb in LEASE_VERBS:
            return await self._lease.answer(request, report)
        if verb == "start":
            self._lease.refuse_newcomers()
            return await self._kernels.start(request["spec"], report)
        if verb == "ping":
            return {}
        if verb == "kernels":
            return await self._kernels.list()
        if verb == "stop":
            return await self._kernels.stop(str(request["kernel_id"]))
        if verb == "log":
            folder = self._kernels.folder(str(request["kernel_id"]))
            return {"log": tail(folder / "kernel.log", 256 * 1024)}
        if verb == "foresee":
            return await environment.foresee(self._home, request.get("python"))
        if verb == "check-gpus":
            self._lease.refuse_newcomers()
            return await self._checking.check(request.get("python"), report)
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
        Visitor(self, connection)

    def take(self, connection: socket.socket, descriptors: list[int]) -> None:
        """A pipe to some link; it says which when it greets."""
        try:
            carrier = Carrier(self, connection, descriptors)
        except OSError as error:  # something that is no pipe
            for descriptor in descriptors:
                os.close(descriptor)
            _send_away(connection, error)
            return
        if carrier.is_open:
            self._anonymous.add(carrier)

    def _maybe_leave(self) -> None:
        if self._carriers or self._anonymous or self._kernels.any_alive():
            self._leaving = self._loop.call_later(IDLE_LIFE, self._maybe_leave)
        else:
            self._done.set()


class Visitor:
    """Somebody on our socket who has not handed over a pipe yet."""

    def __init__(self, agent: Agent, connection: socket.socket) -> None:
        self._agent = agent
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        connection.setblocking(False)
        self._too_slow = self._loop.call_later(VISIT_PATIENCE, self._end, "it handed nothing over")
        self._loop.add_reader(connection.fileno(), self._readable)

    def _readable(self) -> None:
        try:
            descriptors = _receive_descriptors(self._connection)
        except (BlockingIOError, InterruptedError):
            return
        except (OSError, ValueError) as error:
            self._end(error)
            return
        self._forget()
        self._agent.take(self._connection, descriptors)

    def _forget(self) -> None:
        self._too_slow.cancel()
        self._loop.remove_reader(self._connection.fileno())

    def _end(self, why: object) -> None:
        self._forget()
        _send_away(self._connection, why)


def _send_away(connection: socket.socket, why: object) -> None:
    print(f"a visitor was sent away: {why}", file=sys.stderr, flush=True)
    connection.close()


class Carrier:
    """One attached pipe to a link."""

    def __init__(self, agent: Agent, holder: socket.socket, descriptors: list[int]) -> None:
        self._agent = agent
        self._holder = holder
        self._descriptors = descriptors
        for descriptor in descriptors:
            widen(descriptor)
        self._mux = Mux(
            descriptors[0],
            descriptors[1],
            hello={"agent": os.getpid()},
            greeted=self._greeted,
            opened=agent.open_channel,
            ended=self._ended,
        )

    @property
    def is_open(self) -> bool:
        return bool(self._descriptors)

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


def _receive_descriptors(connection: socket.socket) -> list[int]:
    _, extra, _, _ = connection.recvmsg(64, socket.CMSG_LEN(2 * 4))
    for level, kind, payload in extra:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors = [
                int.from_bytes(payload[at : at + 4], sys.byteorder) for at in range(0, len(payload) // 4 * 4, 4)
            ]
            if len(descriptors) == 2:
                return descriptors
            for descriptor in descriptors:
                os.close(descriptor)
    raise ValueError("no pipe was handed over")


def main(home: Path, version: str) -> int:
    """Serves until it is no longer needed; leaves at once when there is an agent of this version already."""

    async def run() -> None:
        await Agent(home, version).run()

    settle_in()
    with open(home / f"agent-{version[:12]}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        asyncio.run(run())
    return 0
