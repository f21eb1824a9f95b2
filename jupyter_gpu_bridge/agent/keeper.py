"""The keeper: owns one kernel, and remembers what it said until somebody has it.

It is the kernel's parent, holds ZMQ sockets to it that never break, numbers what it says on four lanes, and waits on a
Unix socket for whoever comes with a carrier. A fifth lane, `life`, carries commands to it and news of the process.
Everything else may die; the keeper goes on reading.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, Callable

from jupyter_gpu_bridge.agent import messages
from jupyter_gpu_bridge.agent.channel import MOST_RECORD, Channel, pack_frames, unpack_frames
from jupyter_gpu_bridge.agent.ending import Ending
from jupyter_gpu_bridge.agent.frames import Buffer, WireError
from jupyter_gpu_bridge.agent.gaps import Gaps
from jupyter_gpu_bridge.agent.gathering import Gathering
from jupyter_gpu_bridge.agent.identity import start_of
from jupyter_gpu_bridge.agent.kernel_process import FolderMissing, KernelProcess
from jupyter_gpu_bridge.agent.memory import Thrift, settle_in
from jupyter_gpu_bridge.agent.outbox import Outbox
from jupyter_gpu_bridge.agent.running import Running
from jupyter_gpu_bridge.agent.visitor import Visitor

LANES = ("shell", "control", "stdin", "iopub", "life")
STALE_INTERRUPT = 1.0
"""An interrupt older than this strikes only the cell that was running when it was asked for."""
FORGOTTEN_AFTER = 24 * 3600.0
"""A keeper whose kernel has ended, and for whom nobody comes, ends after so many seconds."""
END_PATIENCE = 5.0


class Keeper:
    """Runs until its kernel was stopped for good and whoever asked for that has heard so."""

    def __init__(self, folder: Path, spec: dict[str, Any], process: KernelProcess) -> None:
        from jupyter_gpu_bridge.agent.kernel_sockets import KernelSockets

        self._make_sockets = KernelSockets
        self._folder = folder
        self._spec = spec
        self._key = str(spec["key"]).encode()
        self._owner = str(spec["owner"])
        self._loop = asyncio.get_running_loop()
        self._done = asyncio.Event()
        self._process = process
        self._life = 1
        self._state = "starting"
        self._running = Running()
        self._busy_since = 0.0
        self._welcomed = False
        self._ending: asyncio.TimerHandle | None = None
        self._last_word = 0
        self._visitors: dict[str, Visitor] = {}
        self._changed = time.time()
        self._for_next_life: list[list[memoryview]] = []
        self.channels = {lane: self._channel(lane) for lane in LANES}
        self._gaps = Gaps(self.channels["iopub"].outbox, int(spec.get("spool_limit") or 1 << 30), self._key)
        self._thrift = Thrift()
        self._gathering = Gathering(self.channels["iopub"].wake)
        self._sockets = self._make_sockets(process.prefix, self._from_kernel, self._pass_on, self._kernel_ready)
        self._note_processes()
        self._say({"event": "started", "pid": process.process.pid})

    async def run(self, server: socket.socket) -> None:
        self._loop.add_reader(server.fileno(), self._visit, server)
        for name in (signal.SIGHUP, signal.SIGINT):
            self._loop.add_signal_handler(name, lambda: None)
        self._loop.add_signal_handler(signal.SIGTERM, self._done.set)
        await self._done.wait()
        self._process.send_signal(signal.SIGKILL)
        for channel in self.channels.values():
            channel.outbox.close()

    # news of the process -------------------------------------------------------------------------------------------

    def process_ended(self, process: KernelProcess) -> None:
        """Called from the thread that waits."""
        self._loop.call_soon_threadsafe(self._process_ended, process)

    def _process_ended(self, process: KernelProcess) -> None:
        if process is not self._process or self._state == "dead":
            return
        self._sockets.drain_all()
        self._state = "dead"
        self._changed = time.time()
        if self._running.header and not process.killed_by_us:
            self._tell_cell(process)
        self._running.forget()
        news = {"event": "ended", "code": process.exit_code, "cause": process.cause(), "log": process.log_tail()}
        self._last_word = self._say(news)
        if self._ending is None:
            self._ending = self._loop.call_later(FORGOTTEN_AFTER, self._done.set)

    def _tell_cell(self, process: KernelProcess) -> None:
        """Front ends say that a kernel has died, and not why; the cell that ran is where its user looks."""
        text = f"\n[gpu-bridge] {process.cause()} Its variables are lost. {process.advice()}".rstrip() + "\n"
        notice = messages.compose(
            self._key, [b"stream"], "stream", self._running.header, {"name": "stderr", "text": text}, "gpu-bridge"
        )
        self.channels["iopub"].send(pack_frames(notice))

    def _kernel_ready(self) -> None:
        self._state = "idle"
        self._say({"event": "ready"})

    def _say(self, news: dict[str, Any]) -> int:
        return self.channels["life"].send([json.dumps({"life": self._life, **news}).encode()])

    # what the kernel says ------------------------------------------------------------------------------------------

    def _from_kernel(self, lane: str, frames: list[Buffer]) -> None:
        if lane == "iopub":
            if self._is_welcome(frames):
                return
            self._watch(frames)
            if not self._gaps.admit(frames):
                return
        pieces = pack_frames(frames)
        size = sum(map(len, pieces))
        if size > MOST_RECORD:
            self._gaps.refuse(frames)
            return
        self._thrift.note(size)
        self.channels[lane].outbox.put(pieces)
        if lane == "iopub":
            self._gathering.add(size)

    def _pass_on(self, lane: str) -> None:
        if lane == "iopub":
            self._gathering.pass_on()
        else:
            self.channels[lane].wake()
            self._gathering.hurry()

    def _is_welcome(self, frames: list[Buffer]) -> bool:
        """The kernel greets each subscriber (JEP 65); that is for us, and our clients never see us connect."""
        if self._welcomed:
            return False
        found = messages.split(frames)
        self._welcomed = found is not None
        return found is not None and messages.load(found[1][1]).get("msg_type") == "iopub_welcome"

    def _watch(self, frames: list[Buffer]) -> None:
        """Keep track of busy and idle."""
        found = messages.split(frames) if len(frames) < 16 else None
        if found is None or len(found[1][4]) > 200 or b'"status"' not in bytes(found[1][1]):
            return
        state = messages.load(found[1][4]).get("execution_state")
        if state == "busy":
            self._busy_since = time.monotonic()
            self._running.began(bytes(found[1][2]))
        elif state == "idle":
            self._running.ended(bytes(found[1][2]))
        if state in ("busy", "idle"):
            self._state = state
            self._changed = time.time()

    # what the link says --------------------------------------------------------------------------------------------

    def _from_link(self, lane: str, number: int, age: float, record: memoryview) -> None:
        self.channels[lane].take(number)
        if not len(record):
            return
        if lane == "life":
            self._command(json.loads(bytes(record)), age)
            return
        frames = unpack_frames(record)
        if lane == "control" and self._is_stale_interrupt(frames, age):
            return
        if self._process.is_alive:
            self._hand_over(lane, frames)
        elif lane == "shell":
            self._for_next_life.append(frames)

    def _hand_over(self, lane: str, frames: list[memoryview]) -> None:
        if lane == "shell":
            self._running.asked(frames)
        self._sockets.send(lane, frames)

    def _came_too_late(self, age: float) -> bool:
        """An interrupt that waited for the link must not strike a cell that began after it was asked for."""
        meant = self._state == "busy" and time.monotonic() - self._busy_since >= age
        return age >= STALE_INTERRUPT and not meant

    def _is_stale_interrupt(self, frames: list[memoryview], age: float) -> bool:
        if not self._came_too_late(age):
            return False
        found = messages.split(frames)
        if found is None or messages.load(found[1][1]).get("msg_type") != "interrupt_request":
            return False
        routing, rest = found
        reply = messages.compose(self._key, routing, "interrupt_reply", rest[1], {"status": "ok"}, "gpu-bridge")
        self.channels["control"].send(pack_frames(reply))
        return True

    def _command(self, command: dict[str, Any], age: float) -> None:
        verb = command.get("do")
        if verb == "signal":
            number = int(command["signal"])
            if number != signal.SIGINT or not self._came_too_late(age):
                self._process.send_signal(number)
        elif verb == "launch":
            self._launch(command["spec"])
        elif verb == "end":
            self.end()

    def _launch(self, spec: dict[str, Any]) -> None:
        """A new life: same keeper, same lanes, new process."""
        if self._process.is_alive:
            self._process.send_signal(signal.SIGKILL)
            self._process.process.wait()
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None
        self._sockets.close()
        self._life += 1
        self._welcomed = False
        self._state = "starting"
        self._spec.update(spec)
        self._key = str(self._spec["key"]).encode()
        prefix = f"{self._spec['sockets']}{self._life}"
        try:
            self._process = KernelProcess(self._spec, self._folder, prefix, self.process_ended)
        except (OSError, KeyError, TypeError, ValueError) as error:
            self._state = "dead"
            cause = str(error) if isinstance(error, FolderMissing) else f"The kernel could not be started: {error}."
            self._last_word = self._say({"event": "ended", "code": 127, "cause": cause, "log": ""})
            return
        self._sockets = self._make_sockets(prefix, self._from_kernel, self._pass_on, self._kernel_ready)
        self._note_processes()
        self._say({"event": "started", "pid": self._process.process.pid})
        waiting, self._for_next_life = self._for_next_life, []
        for frames in waiting:
            self._hand_over("shell", frames)

    def _note_processes(self) -> None:
        """For the lease daemon, which is a shell script, and stops us in the end."""
        pids = (os.getpid(), self._process.process.pid)
        try:
            (self._folder / "pids").write_text(" ".join(f"{pid} {start_of(pid)}" for pid in pids) + "\n")
        except OSError as error:
            print(f"our processes could not be noted: {error}", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Stop the kernel for good; go when the link knows it, or after a while."""
        if self._ending is not None:
            self._ending.cancel()
        if self._process.is_alive:
            self._process.send_signal(signal.SIGTERM)
            self._loop.call_later(END_PATIENCE, self._process.send_signal, signal.SIGKILL)
        self._ending = self._loop.call_later(2 * END_PATIENCE, self._done.set)
        self._leave_when_heard()

    def _leave_when_heard(self) -> None:
        life = self.channels["life"]
        heard = not life.is_connected or life.outbox.acknowledged >= self._last_word > 0
        if not self._process.is_alive and heard:
            self._done.set()
        else:
            self._loop.call_later(0.02, self._leave_when_heard)

    # visitors ------------------------------------------------------------------------------------------------------

    def _channel(self, lane: str) -> Channel:
        spool = self._folder / "spool" / lane
        return Channel(
            Outbox(spool=spool),
            lambda number, age, record: self._from_link(lane, number, age, record),
            hello=self._introduction,
        )

    def _introduction(self) -> dict[str, Any]:
        """How things stand, for a link that has forgotten everything."""
        dead = self._state == "dead"
        return {
            "owner": self._owner,
            "life": self._life,
            "state": self._state,
            "pid": self._process.process.pid,
            "code": self._process.exit_code if dead else None,
            "cause": self._process.cause() if dead else "",
        }

    def _visit(self, server: socket.socket) -> None:
        try:
            connection, _ = server.accept()
        except (BlockingIOError, InterruptedError, ConnectionError):
            return
        Visitor(self, connection)

    def settle(self, lane: str, owner: str, visitor: Visitor) -> None:
        """The newest visitor of a lane is the one that counts, if it comes from the link whose kernel this is."""
        if owner != self._owner:
            raise WireError("this kernel belongs to another link")
        before = self._visitors.get(lane)
        self._visitors[lane] = visitor
        if before is not None:
            before.close()

    def left(self, lane: str, visitor: Visitor) -> None:
        if self._visitors.get(lane) is visitor:
            del self._visitors[lane]
            self.channels[lane].disconnect()

    def status(self) -> dict[str, Any]:
        return {
            "kernel_id": self._spec["kernel_id"],
            "owner": self._owner,
            "pid": self._process.process.pid,
            "keeper": os.getpid(),
            "state": self._state,
            "attached": "iopub" in self._visitors,
            "started": self._spec.get("started"),
            "changed": self._changed,
            "about": self._spec.get("about") or {},
            "waiting": sum(channel.outbox.held for channel in self.channels.values()),
        }


def main(folder: Path) -> int:
    """Run the keeper of the kernel whose `spec.json` lies in this folder."""
    spec_file = folder / "spec.json"
    spec = json.loads(spec_file.read_text())
    spec_file.unlink()
    ending = Ending()
    settle_in()
    early: list[KernelProcess] = []
    hear: list[Callable[[KernelProcess], None]] = [early.append]
    process: KernelProcess | None = None
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    async def keep(process: KernelProcess) -> None:
        keeper = Keeper(folder, spec, process)
        hear[0] = keeper.process_ended
        for ended in early:
            keeper.process_ended(ended)
        await keeper.run(server)

    try:
        with ending.put_off():
            process = KernelProcess(spec, folder, spec["sockets"] + "1", lambda ended: hear[0](ended))
        server.bind(spec["sockets"] + "keeper")
        server.listen(64)
        server.setblocking(False)
        asyncio.run(keep(process))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if process is not None:
            process.send_signal(signal.SIGKILL)
        server.close()
        _sweep(folder, spec["sockets"])
    return 0


def _sweep(folder: Path, sockets: str) -> None:
    """Leave nothing behind but the log's last words in our own output."""
    for path in Path(sockets).parent.glob(Path(sockets).name + "*"):
        path.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
