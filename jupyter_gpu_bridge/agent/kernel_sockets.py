"""The keeper's side of the kernel's own ZMQ sockets: always reading, so that nothing the kernel says is dropped."""

from __future__ import annotations

import asyncio
import os
from typing import Any, Callable, Sequence

import zmq

from jupyter_gpu_bridge.agent.frames import Buffer

PORTS = {"shell": 1, "iopub": 2, "stdin": 3, "control": 4}
COPY_BELOW = 32 * 1024
BATCH, BATCH_BYTES = 200, 4 * 1024 * 1024
"""How many messages are taken in a row before others have their turn: an interrupt must not wait behind a flood."""
SHOWN_EVERY = 64 * 1024
"""Bytes after which those that are taken in a row are passed on, not only at the end of the row."""
_NOBLOCK, _SNDMORE = int(zmq.NOBLOCK), int(zmq.SNDMORE)
SUBSCRIBED_AFTER = 1.0
"""Seconds after which a kernel that does not greet its subscribers (ipykernel before 7) is believed to hear us."""


class KernelSockets:
    """Four sockets to one life of a kernel."""

    def __init__(
        self,
        prefix: str,
        received: Callable[[str, list[Buffer]], None],
        shown: Callable[[str], None],
        ready: Callable[[], None],
    ) -> None:
        """`received` for each message, `shown` when it is time to pass on what was received on a lane.

        `ready` is called once when the kernel publishes to us; until then requests wait in here.
        """
        self._loop = asyncio.get_running_loop()
        self._received = received
        self._shown = shown
        self._ready = ready
        self._context = zmq.Context()
        self._waiting: list[tuple[str, Sequence[Buffer]]] = []
        self.is_ready = False
        identity = os.urandom(8).hex().encode()
        self._sockets: dict[str, zmq.Socket[bytes]] = {}
        for lane, port in PORTS.items():
            socket: zmq.Socket[Any] = self._context.socket(zmq.SUB if lane == "iopub" else zmq.DEALER)
            socket.linger = 0
            socket.rcvhwm = socket.sndhwm = 0
            socket.reconnect_ivl = 5
            if lane == "iopub":
                socket.subscribe(b"")
            else:
                socket.routing_id = identity
            socket.connect(f"ipc://{prefix}-{port}")
            self._sockets[lane] = socket
            self._loop.add_reader(socket.fileno(), self._drain, lane)
        self._giving_up = self._loop.call_later(SUBSCRIBED_AFTER, self._watch_for_old_kernel, prefix)

    def send(self, lane: str, frames: Sequence[Buffer]) -> None:
        if not self.is_ready:
            self._waiting.append((lane, frames))
            return
        socket = self._sockets[lane]
        for part in frames[:-1]:
            socket.send(part, _SNDMORE)
        socket.send(frames[-1])
        self._drain(lane)

    def close(self) -> None:
        self._giving_up.cancel()
        for socket in self._sockets.values():
            self._loop.remove_reader(socket.fileno())
            socket.close()
        self._sockets = {}
        self._context.term()

    def drain_all(self) -> None:
        """Take what the kernel said last; called when it has ended."""
        for lane in list(self._sockets):
            self._drain(lane)

    def _drain(self, lane: str) -> None:
        socket = self._sockets.get(lane)
        if socket is None:
            return
        size = shown = 0
        for _ in range(BATCH):
            if size > BATCH_BYTES:
                break
            frames = _receive(socket)
            if frames is None:
                if size != shown:
                    self._shown(lane)
                return
            if not self.is_ready and lane == "iopub":
                self._become_ready()
            self._received(lane, frames)
            size += sum(map(len, frames))
            if size - shown >= SHOWN_EVERY:
                shown = size
                self._shown(lane)
        self._shown(lane)
        self._loop.call_soon(self._drain, lane)

    def _watch_for_old_kernel(self, prefix: str) -> None:
        if os.path.exists(f"{prefix}-{PORTS['iopub']}"):
            self._become_ready()
        else:
            self._giving_up = self._loop.call_later(SUBSCRIBED_AFTER, self._watch_for_old_kernel, prefix)

    def _become_ready(self) -> None:
        if self.is_ready:
            return
        self.is_ready = True
        self._giving_up.cancel()
        self._ready()
        waiting, self._waiting = self._waiting, []
        for lane, frames in waiting:
            self.send(lane, frames)


def _receive(socket: zmq.Socket[Any]) -> list[Buffer] | None:
    """The next message, if there is one. By hand, as `recv_multipart` takes twice as long for small ones."""
    try:
        frame = socket.recv(_NOBLOCK, copy=False)
    except zmq.Again:
        return None
    frames: list[Buffer] = []
    while True:
        frames.append(frame.bytes if len(frame) < COPY_BELOW else frame.buffer)
        if not frame.more:
            return frames
        frame = socket.recv(copy=False)
