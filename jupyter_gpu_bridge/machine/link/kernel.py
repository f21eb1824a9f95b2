"""One kernel as the link sees it: the façade that clients talk to, and five channels to its keeper."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from jupyter_gpu_bridge.agent.channel import Channel, pack_frames, unpack_frames
from jupyter_gpu_bridge.agent.journal import Journal
from jupyter_gpu_bridge.agent.memory import Thrift
from jupyter_gpu_bridge.agent.messages import compose
from jupyter_gpu_bridge.agent.mux import BULK, NORMAL, URGENT, Mux, MuxChannel
from jupyter_gpu_bridge.agent.outbox import Outbox
from jupyter_gpu_bridge.errors import KernelFailed, KernelUnknown, StartCancelled
from jupyter_gpu_bridge.machine.facade import Facade
from jupyter_gpu_bridge.machine.link.record import KernelOrder, save
from jupyter_gpu_bridge.model import KernelState, Lane

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0
LAST_WORDS_WITHIN = 0.5
_URGENCY = {"shell": NORMAL, "control": URGENT, "stdin": URGENT, "iopub": BULK, "life": URGENT}


class LinkedKernel:
    """Lives from the start of a kernel until it is stopped for good, over any number of carriers and restarts."""

    def __init__(
        self, order: KernelOrder, link: str, folder: Path, prefix: Path, changed: Callable[[LinkedKernel], None]
    ) -> None:
        self.order = order
        self.prefix = prefix
        self.pid: int | None = None
        self.life = 0
        self.exit_code: int | None = None
        self.cause = ""
        self.is_ready = False
        self.is_stopping = False
        self.keeper_gone = False
        self.is_gone = False
        """Its machine is no more, so nothing brings it back."""
        self._is_closed = False
        self.was_connected = False
        """Whether a keeper may exist; before that there is nothing on the machine to connect to."""
        self.was_asked_for = False
        """Whether the machine was told to start it; then it may run even if no answer came."""
        self.log = ""
        self.started = time.time()
        self._ended_at: float | None = None
        self._end = 0
        """The number of the record that ends it for good."""
        self._launch = 0
        """The number of the record that asks for the last restart."""
        self._link = link
        self._folder = folder
        self._changed = changed
        self._open: dict[str, MuxChannel] = {}
        self._pause = _SHORTEST_PAUSE
        self._waiters: list[asyncio.Future[None]] = []
        self._mux: Mux | None = None
        save(folder, order)
        self.facade = Facade(
            order.kernel_id,
            prefix,
            folder / "facade",
            upward=self._upward,
            taken=self._taken,
            room=self._room,
            notice=lambda text: self._compose(
                b"stream", "stream", {"name": "stderr", "text": f"\n[gpu-bridge] {text}\n"}
            ),
            welcome=lambda topic: self._compose(
                topic, "iopub_welcome", {"subscription": topic.decode(errors="replace")}
            ),
        )
        self._channels: dict[str, Channel] = {}
        self._thrift = Thrift()

    async def open(self) -> None:
        """Bind what clients see."""
        await self.facade.open()
        for lane in (*(lane.value for lane in Lane), "life"):
            self._channels[lane] = self._channel(lane)

    # towards the machine -------------------------------------------------------------------------------------------

    def connect(self, mux: Mux) -> None:
        """A fresh carrier: every channel goes on where it was."""
        self._mux = mux
        self._open = {}
        self._pause = _SHORTEST_PAUSE
        self.was_connected = True
        for lane in self._channels:
            self._open_lane(lane, mux)

    def disconnect(self) -> None:
        self._mux = None
        self._changed(self)

    def send_signal(self, number: int) -> None:
        self._command({"do": "signal", "signal": number})

    def relaunch(self, order: KernelOrder) -> None:
        """A new process in the place of the old one; what was meant for the old one does not reach it."""
        self.order = order
        save(self._folder, order)
        self.is_ready = False
        self.exit_code = None
        self.cause = ""
        self._ended_at = None
        self.life += 1
        self.facade.forget_clients()
        for lane in ("shell", "control", "stdin"):
            self._channels[lane].outbox.blank()
        self._launch = self._command({"do": "launch", "spec": order.as_spec(self._link)})

    def machine_gone(self, cause: str) -> None:
        """There is nobody left to ask for anything."""
        self.is_gone = True
        self.disconnect()
        self._lose_keeper(cause)

    def rename(self, path: str) -> None:
        """Its notebook has another name now."""
        self.order = replace(self.order, path=path)
        save(self._folder, self.order)

    def stop(self) -> None:
        """End the kernel for good; survives any cut, and a kill of this process."""
        if not self.is_stopping:
            self.is_stopping = True
            (self._folder / "stopping").touch()
            self._end = self._command({"do": "end"})

    @property
    def has_ended(self) -> bool:
        """For good: the process is over, and its keeper knows that nobody wants another one."""
        if self.exit_code is None or not self.is_stopping:
            return False
        return self.keeper_gone or self._channels["life"].outbox.acknowledged >= self._end

    @property
    def was_stopping(self) -> bool:
        return (self._folder / "stopping").exists()

    async def ready(self, patience: float, advice: str) -> None:
        """Until the present life can be talked to; raises `KernelFailed` with that advice when it ends instead."""
        give_up = asyncio.get_running_loop().time() + patience
        while not self.is_ready:
            if self.exit_code is not None:
                if not self.log:  # the keeper's greeting tells of the end as well, and comes before the news of it
                    await self.news(LAST_WORDS_WITHIN)
                what = self.cause or "The kernel ended while it was starting."
                raise KernelFailed(f"{what}{_last_words(self.log)}", advice=advice)
            if self.is_stopping:
                raise StartCancelled("The kernel was stopped while it was starting.")
            if self.keeper_gone:
                raise KernelUnknown("The machine no longer runs this kernel.", advice="Start a new one.")
            left = give_up - asyncio.get_running_loop().time()
            if left <= 0:
                return
            await self.news(left)

    async def news(self, patience: float) -> None:
        """Until something happens to the process, or time is up."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await asyncio.wait([waiter], timeout=patience)
        finally:
            self._waiters.remove(waiter)

    async def close(self, *, forget: bool) -> None:
        """Once: whoever waits for the end and the caretaker may both come to it."""
        if self._is_closed:
            return
        self._is_closed = True
        self._thrift.close()
        self._mux = None
        for opened in self._open.values():
            opened.close()
        for channel in self._channels.values():
            channel.disconnect()
        await self.facade.close(forget=forget)
        for channel in self._channels.values():
            channel.outbox.close()
        if forget:
            shutil.rmtree(self._folder, ignore_errors=True)

    def ended_for(self) -> float:
        """Seconds since its process ended; 0 while it runs."""
        if self.exit_code is None or self._ended_at is None:
            return 0.0
        return time.monotonic() - self._ended_at

    # how it stands -------------------------------------------------------------------------------------------------

    @property
    def state(self) -> KernelState:
        if self.exit_code is not None or self.keeper_gone:
            return KernelState.DEAD
        if self._mux is None:
            return KernelState.UNREACHABLE
        if not self.is_ready:
            return KernelState.STARTING
        return KernelState.BUSY if self.facade.busy else KernelState.IDLE

    @property
    def pending(self) -> str:
        """What was asked of the machine while it could not be reached; a sentence, or nothing."""
        if self._mux is not None or self._channels["life"].outbox.acknowledged >= self._launch:
            return ""
        return "Waiting for the machine; the restart will be done when it is back."

    def _channel(self, lane: str) -> Channel:
        journal = Journal(self._folder / f"{lane}.journal") if lane != "iopub" else None
        outbox = Outbox(journal=journal)
        if lane == "life":
            return Channel(
                outbox,
                self._hear,
                hello=self._introduction,
                greeted=self._greeted,
                parted=lambda reason: self._parted(lane, reason),
            )
        known = Lane(lane)
        return Channel(
            outbox,
            lambda number, age, record: self._downward(known, number, age, record),
            have=self.facade.taken_up_to(known),
            hello=self._introduction,
            parted=lambda reason: self._parted(lane, reason),
        )

    def _open_lane(self, lane: str, mux: Mux) -> None:
        """Unless the carrier was replaced since this was planned."""
        if mux is self._mux:
            request = {"service": "keeper", "kernel_id": self.order.kernel_id, "lane": lane, "owner": self._link}
            self._open[lane] = mux.open(request, self._channels[lane], _URGENCY[lane])

    def _introduction(self) -> dict[str, Any]:
        return {"owner": self._link}

    def _compose(self, topic: bytes, kind: str, content: dict[str, Any]) -> list[bytes]:
        """A message of our own on the output lane."""
        parts = compose(self.order.key.encode(), [topic], kind, b"{}", content, self._link)
        return [bytes(part) for part in parts]

    def _upward(self, lane: Lane, frames: list[bytes]) -> None:
        self._channels[lane.value].send(pack_frames(frames))

    def _downward(self, lane: Lane, number: int, age: float, record: memoryview) -> None:
        self._thrift.note(len(record))
        if not self.facade.deliver(lane, number, unpack_frames(record), age):
            self._channels[lane.value].pause()

    def _taken(self, lane: Lane, number: int) -> None:
        if lane.value in self._channels:
            self._channels[lane.value].take(number)

    def _room(self, lane: Lane) -> None:
        self._channels[lane.value].resume()

    def _command(self, command: dict[str, Any]) -> int:
        return self._channels["life"].send([json.dumps(command).encode()])

    def _greeted(self, hello: dict[str, Any]) -> None:
        """The keeper says how things stand; what it has told already is overtaken by that."""
        if hello.get("life", 0) < self.life:
            return
        self.life = int(hello["life"])
        self.pid = hello.get("pid")
        self._pause = _SHORTEST_PAUSE
        state = hello.get("state")
        self.is_ready = state in ("idle", "busy")
        if state == "dead":
            self._ended_at = self._ended_at or time.monotonic()
            self.exit_code = int(hello.get("code") or 0)
            self.cause = str(hello.get("cause") or "")
        self._tell()

    def _hear(self, number: int, age: float, record: memoryview) -> None:
        news = json.loads(bytes(record))
        self._channels["life"].take(number)
        if news.get("life", 0) < self.life:
            return
        self.life = int(news["life"])
        event = news.get("event")
        if event == "started":
            self.pid = int(news["pid"])
            self.exit_code = None
            self.is_ready = False
        elif event == "ready":
            self.is_ready = True
        elif event == "ended":
            self._ended_at = time.monotonic()
            self.exit_code = int(news["code"])
            self.cause = str(news.get("cause") or "")
            self.log = str(news.get("log") or "")
        self._tell()

    def _parted(self, lane: str, reason: dict[str, str]) -> None:
        """One lane has ended: with its carrier, with the keeper, or by an accident that we can only try to mend."""
        code = reason.get("code")
        if code == "kernel-unknown":
            self._lose_keeper()
        elif code != "carrier" and self._mux is not None and not self.keeper_gone:
            asyncio.get_running_loop().call_later(self._pause, self._open_lane, lane, self._mux)
            self._pause = min(_LONGEST_PAUSE, self._pause * 1.3)
        if lane == "life":
            self._tell()

    def _lose_keeper(
        self,
        cause: str = "The machine no longer runs this kernel: it was restarted, or the kernel's keeper was killed.",
    ) -> None:
        if self.keeper_gone:
            return
        self.keeper_gone = True
        if self.exit_code is None:
            self.exit_code = -1
            self.cause = cause
        self._tell()

    def _tell(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._changed(self)


def _last_words(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return f" It said last: {lines[-1][:300].rstrip('.')}." if lines else ""
