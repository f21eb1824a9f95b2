"""The far side for tests: a keeper that numbers real signed messages, keeps them until taken, and resumes."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jupyter_client.session import Session

from jupyter_gpu_bridge.machine.facade.processes import Process
from jupyter_gpu_bridge.model import Lane
from tests.machine.facade.client_process import KEY, Order

ROOT = Path(__file__).parents[3]
SECONDS = 20.0


async def until(condition: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
    """Wait for something that other processes bring about."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        await asyncio.sleep(0.005)


class Far:
    """Also starts and kills the process that serves the clients."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.prefix = folder / "s" / "k"
        self.session = Session(session="the kernel", key=KEY)
        self.said: dict[Lane, int] = dict.fromkeys(Lane, 0)
        self.taken: dict[Lane, int] = dict.fromkeys(Lane, 0)
        self.delivered: dict[Lane, int] = dict.fromkeys(Lane, 0)
        """What the link that runs has, and has done something about."""
        self.requested: Callable[[Lane, list[bytes]], None] = lambda lane, frames: None
        self.requests: list[tuple[Lane, list[bytes]]] = []
        self.state: dict[str, int] = {}
        self._kept: dict[Lane, dict[int, list[bytes]]] = {lane: {} for lane in Lane}
        self._born: dict[tuple[Lane, int], float] = {}
        self._sent: dict[Lane, int] = dict.fromkeys(Lane, 0)
        self._paused: set[Lane] = set()
        self._held_back: set[Lane] = set()
        self._writer: asyncio.StreamWriter | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._resumed = asyncio.Event()
        self._hung_up = asyncio.Event()
        self._hung_up.set()

    async def listen(self) -> None:
        self._server = await asyncio.start_unix_server(self._connected, self.folder / "channel", limit=64 << 20)

    async def start_link(self) -> None:
        self._resumed.clear()
        script = Path(__file__).with_name("link_process.py")
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            os.fspath(script),
            os.fspath(self.prefix),
            os.fspath(self.folder / "state"),
            os.fspath(self.folder / "channel"),
            env={**os.environ, "PYTHONPATH": os.fspath(ROOT)},
        )
        await asyncio.wait_for(self._resumed.wait(), SECONDS)

    async def kill_link(self) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
        await self._process.wait()
        self._writer = None
        # Its last words are read before the next link says anything: "pause" would never be taken back.
        await asyncio.wait_for(self._hung_up.wait(), SECONDS)

    async def close(self) -> None:
        if self._process is not None:
            await self.kill_link()
        self._server.close()

    def hold_back(self, lane: Lane) -> None:
        """As over a slow line: what is said on this lane is not sent, until `let_go`."""
        self._held_back.add(lane)

    def let_go(self, lane: Lane) -> None:
        self._held_back.discard(lane)
        self._send(lane)

    @contextlib.contextmanager
    def out_of_reach(self, *lanes: Lane) -> Iterator[None]:
        """For a while no client can connect to these sockets."""
        ports = {Lane.SHELL: 1, Lane.IOPUB: 2, Lane.STDIN: 3, Lane.CONTROL: 4}
        paths = [self.prefix.with_name(f"{self.prefix.name}-{ports[lane]}") for lane in lanes]
        for path in paths:
            path.rename(path.with_suffix(".hidden"))
        yield
        for path in paths:
            path.with_suffix(".hidden").rename(path)

    def status(self, state: str, parent: dict[str, Any]) -> None:
        message = self.session.msg("status", {"execution_state": state}, parent=parent)
        self._record(Lane.IOPUB, self.session.serialize(message, ident=b"kernel.1.status"))

    def reply(self, kind: str, content: dict[str, Any], parent: dict[str, Any], to: bytes, lane: Lane) -> None:
        self._record(lane, self.session.serialize(self.session.msg(kind, content, parent=parent), ident=to))

    def say(
        self,
        text: str,
        *,
        to: bytes = b"",
        lane: Lane = Lane.IOPUB,
        parent: dict[str, Any] | None = None,
        age: float = 0.0,
    ) -> None:
        """One message of the kernel: a stream on iopub, or a reply to a client; `age` seconds ago."""
        message = self.session.msg("stream", {"name": "stdout", "text": text}, parent=parent)
        ident = b"kernel.1.stream" if lane is Lane.IOPUB else to
        self._record(lane, self.session.serialize(message, ident=ident), age)

    def _record(self, lane: Lane, frames: list[bytes], age: float = 0.0) -> None:
        self.said[lane] += 1
        self._kept[lane][self.said[lane]] = frames
        self._born[lane, self.said[lane]] = time.monotonic() - age
        self._send(lane)

    async def reports(self, what: str, count: int) -> None:
        """The link reports its state with each record, so the kernel goes on talking a little."""

        def said() -> bool:
            self.say(".")
            return self.state.get(what) == count

        await until(said, f"{what}: {count}")

    async def all_taken(self, lane: Lane = Lane.IOPUB) -> None:
        await until(lambda: self.taken[lane] == self.said[lane], f"{lane} is taken: {self.taken}, said {self.said}")

    async def all_delivered(self, lane: Lane = Lane.IOPUB) -> None:
        await until(lambda: self.delivered[lane] == self.said[lane], f"{lane} is with the link: {self.delivered}")

    def _send(self, lane: Lane) -> None:
        while (
            self._writer is not None
            and lane not in self._paused | self._held_back
            and self._sent[lane] < self.said[lane]
        ):
            number = self._sent[lane] + 1
            frames = [base64.b64encode(each).decode() for each in self._kept[lane][number]]
            age = time.monotonic() - self._born[lane, number]
            order = {"lane": lane.value, "number": number, "frames": frames, "age": age}
            self._writer.write(json.dumps(order).encode() + b"\n")
            self._sent[lane] = number

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._hung_up.clear()
        try:
            with contextlib.suppress(ConnectionError):
                while line := await reader.readline():
                    with contextlib.suppress(json.JSONDecodeError):  # a line that a kill cut short
                        self._told(json.loads(line), writer)
        finally:
            writer.close()
            self._hung_up.set()

    def _told(self, what: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        if "resume" in what:
            self._writer = writer
            self._paused.clear()
            self.delivered, self.state = dict.fromkeys(Lane, 0), {}
            for lane in Lane:
                self._sent[lane] = self.taken[lane] = what["resume"][lane.value]
                self._send(lane)
            self._resumed.set()
        elif "taken" in what:
            lane = Lane(what["taken"])
            for number in [each for each in self._kept[lane] if each <= what["number"]]:
                del self._kept[lane][number]
            self.taken[lane] = what["number"]
        elif "pause" in what:
            self._paused.add(Lane(what["pause"]))
        elif "room" in what:
            self._paused.discard(Lane(what["room"]))
            self._send(Lane(what["room"]))
        elif "up" in what:
            lane, frames = Lane(what["up"]), [base64.b64decode(each) for each in what["frames"]]
            self.requests.append((lane, frames))
            self.requested(lane, frames)
        else:
            self.state = what["state"]
            self.delivered[Lane(what["delivered"])] = what["number"]


class Client:
    """A client process that can be killed and started again under the same session."""

    def __init__(self, far: Far, session: str) -> None:
        self.far = far
        self.session = session
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Returns when its first word has arrived at the far side, so all its sockets are connected."""
        script = Path(__file__).with_name("client_process.py")
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            os.fspath(script),
            os.fspath(self.far.prefix),
            self.session,
            os.fspath(self.far.folder),
            stdin=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.fspath(ROOT)},
        )

    async def speak(self) -> None:
        before = self.spoken
        self._tell(Order.SPEAK)
        names = self.session.split(",")
        await until(lambda: self.spoken == before + len(names), f"{self.session} spoke")

    async def leave_unread(self) -> None:
        """From now on, what its sockets take it does not look at; returns when it is so."""
        self._tell(Order.LEAVE_UNREAD)
        await self.speak()

    def read_on(self) -> None:
        self._tell(Order.READ_ON)

    def _tell(self, order: Order) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(order.value)

    def send_signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    @property
    def process(self) -> Process:
        assert self._process is not None
        return Process(self._process.pid)

    @property
    def spoken(self) -> int:
        names = {name.encode() for name in self.session.split(",")}
        return sum(frames[0] in names for _, frames in self.far.requests)

    async def kill(self) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
        await self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()

    def heard(self, lane: Lane = Lane.IOPUB, session: str = "") -> list[str]:
        log = self.far.folder / f"{session or self.session}.log"
        if not log.exists():
            return []
        lines = log.read_text().splitlines()
        return [text for name, _, text in (line.partition(" ") for line in lines) if name == lane.value]

    async def has_heard(self, expected: list[str], lane: Lane = Lane.IOPUB, session: str = "") -> None:
        """Exactly this, once and in order."""
        whose = session or self.session
        await until(lambda: len(self.heard(lane, whose)) >= len(expected), f"{whose} heard {len(expected)} on {lane}")
        assert self.heard(lane, whose) == expected
