"""The face of a far kernel on this computer: the five sockets of a connection file, served from numbered records.

    shell, control, stdin   ROUTER   requests up at once; replies to the client they name, or kept for it
    iopub                   XPUB     every record to every subscriber, once and in order
    hb                      REP      answered here: what beats is the link; the far kernel is watched by its keeper

What holds at every moment, also across a kill -9 of any client and of this process:

1. A record counts as taken when its last byte was accepted by the sockets of all who should have it, or when it is in a
   file of ours for those who are away. Nobody there: nothing is taken.
2. A client gets a record once. Cursors are stored with one machine instruction after the last byte; what was written in
   part is discarded by libzmq when the connection ends, and is written again in full.
3. A client that stalls, vanishes or talks rubbish costs the others nothing but the bounded time to notice.
4. A session that returns gets what it missed after it has spoken, in order, before anything newer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import socket
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.machine.facade.bounds import Bounds
from jupyter_gpu_bridge.machine.facade.broadcast import Broadcast
from jupyter_gpu_bridge.machine.facade.connection import Connection, Owner, SocketType
from jupyter_gpu_bridge.machine.facade.durable import Durable, SlotKind
from jupyter_gpu_bridge.machine.facade.execution import Execution, header_index, text_of
from jupyter_gpu_bridge.machine.facade.journal import Journal
from jupyter_gpu_bridge.machine.facade.listener import Listener
from jupyter_gpu_bridge.machine.facade.nudges import Nudges
from jupyter_gpu_bridge.machine.facade.parked import Parked
from jupyter_gpu_bridge.machine.facade.receipts import Receipts, folder_of, make_folder
from jupyter_gpu_bridge.machine.facade.replies import Replies
from jupyter_gpu_bridge.machine.facade.session import LeftBehind, Session
from jupyter_gpu_bridge.machine.facade.sessions import Sessions
from jupyter_gpu_bridge.machine.facade.zmtp import Frames, Limits, encode
from jupyter_gpu_bridge.model import Lane
from jupyter_gpu_bridge.settings import private_folder

_log = logging.getLogger(__name__)
_MOST_CONNECTIONS = 256
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.02, 1.0

PORTS: Final = {"shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5}
"""For the connection file, together with `transport: ipc` and `ip`: the prefix."""

_REPLY_LANES = {Lane.SHELL: 1, Lane.STDIN: 3, Lane.CONTROL: 4}
_SUBSCRIPTION_LIMITS = Limits(message=4096, frames=1)
_BEAT_LIMITS = Limits(message=64 << 10, frames=16)


class Facade:
    """One per kernel id, for the life of that id; everything happens on the loop that ran `open`."""

    def __init__(
        self,
        kernel_id: str,
        prefix: Path,
        state: Path,
        *,
        upward: Callable[[Lane, list[bytes]], None],
        taken: Callable[[Lane, int], None],
        room: Callable[[Lane], None] | None = None,
        notice: Callable[[str], Frames] | None = None,
        welcome: Callable[[bytes], Frames] | None = None,
        limits: Limits | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        """`prefix` plus `-1` to `-5` are the sockets; `state` is a folder of this kernel's own.

        `upward` is given the client's identity and then its frames; it must have them safe when it returns. `taken` may
        be called from inside `deliver`. `room` says that a lane that was paused may go on. `notice` makes a signed
        iopub message of a text, for a client that comes back after what was kept for it had to be thrown away.
        `welcome` makes the signed greeting that a subscriber gets first (JEP 65), of what it subscribed to.
        """
        self.kernel_id = kernel_id
        self._prefix = prefix
        self._state = state
        self._upward = upward
        self._taken = taken
        self._room = room or (lambda lane: None)
        self._notice = notice
        self._welcome = welcome
        self._limits = limits or Limits()
        self._bounds = bounds or Bounds()
        self._hold_shutdown = False
        self._connections: set[Connection] = set()
        self._listeners: list[Listener] = []
        self._look: asyncio.TimerHandle | None = None
        self._awaits = False
        self._pause = _SHORTEST_PAUSE

    async def open(self) -> None:
        """Take over what a process before this one left in `state`, and bind."""
        private_folder(self._prefix.parent)
        private_folder(self._state)
        self._durable = Durable(self._state / "cursors")
        self._execution = Execution(self._durable)
        self._journal = Journal(self._state)
        self._parked = Parked(self._state / "parked")
        self._nudges = Nudges()
        self._sessions = Sessions(
            self._durable,
            self._parked,
            keep_seconds=self._bounds.keep_seconds,
            receipts=partial(Receipts.find, self._prefix),
            kept_after=lambda: self._journal.goes_back_to(self.taken_up_to(Lane.IOPUB)),
            ready=self._session_ready,
            left=self._session_left,
            released=self._released,
        )
        make_folder(self._prefix)
        left = self._left_behind()
        self._broadcast = Broadcast(
            self._durable,
            self._journal,
            self._parked,
            self._sessions,
            self._nudges,
            self._bounds,
            taken=partial(self._taken, Lane.IOPUB),
            room=partial(self._room, Lane.IOPUB),
            left=left,
            notice=self._notice,
            welcome=self._welcome,
            awaiting=self._await_receipts,
        )
        self._replies = {lane: self._reply_lane(lane) for lane in _REPLY_LANES}
        self._sessions.restore(left)
        for each in left:
            if not each.process.alive:
                each.slot.free()
        self._listeners = [
            *(
                self._listener(port, SocketType.ROUTER, self._replies[lane], self._limits)
                for lane, port in _REPLY_LANES.items()
            ),
            self._listener(2, SocketType.XPUB, self._broadcast, _SUBSCRIPTION_LIMITS),
            self._listener(5, SocketType.REP, _Heartbeat(), _BEAT_LIMITS),
        ]
        self.ensure_bound()

    def taken_up_to(self, lane: Lane) -> int:
        """Where the far side has to resume: the next number is one more."""
        return self._durable.taken(lane)

    def deliver(self, lane: Lane, number: int, frames: Frames, age: float = 0.0) -> bool:
        """One record, in order; a number that was delivered before is ignored. False: accepted, but wait for `room`.

        `age`: seconds since the kernel said it.
        """
        if lane is Lane.IOPUB:
            self._execution.observe(frames)
            return self._broadcast.deliver(number, frames, age)
        return self._replies[lane].deliver(number, frames)

    def ensure_bound(self) -> None:
        """Make the socket files again that somebody deleted; clients that are connected do not notice."""
        for listener in self._listeners:
            listener.ensure()

    def forget_clients(self) -> None:
        """The kernel was restarted: drop what is kept for clients that are away."""
        self._execution.forget()
        self._broadcast.forget()
        self._sessions.forget()

    def hold_shutdown(self, on: bool) -> None:
        """Swallow `shutdown_request` on control, while a server exits whose kernels are kept."""
        self._hold_shutdown = self._sessions.server_is_leaving = on

    @property
    def clients(self) -> int:
        """Subscribers that are connected now."""
        return self._broadcast.count

    @property
    def sessions_present(self) -> int:
        return self._sessions.present

    @property
    def sessions_away(self) -> int:
        return self._sessions.away

    @property
    def busy(self) -> bool | None:
        return self._execution.busy

    @property
    def execution_parent(self) -> str:
        """The id of the request whose cell is running; empty when none is."""
        return self._execution.parent

    @property
    def last_activity(self) -> float:
        """On the monotonic clock: the last message of the kernel or to it."""
        return self._execution.last_activity

    async def close(self, *, forget: bool) -> None:
        """Unbind and disconnect; with `forget`, the kernel is gone and so is what was kept of it."""
        for listener in self._listeners:
            listener.close()
        if self._look is not None:
            self._look.cancel()
        # The slots of the clients must outlive this: to the next process they are clients that will reconnect.
        self._broadcast.close()
        self._sessions.close()
        for lane in self._replies.values():
            lane.close()
        for connection in list(self._connections):
            connection.abandon()
        self._connections.clear()
        self._journal.close()
        self._parked.close()
        self._durable.close()
        if forget:
            shutil.rmtree(self._state, ignore_errors=True)
            shutil.rmtree(folder_of(self._prefix), ignore_errors=True)

    # inside ----------------------------------------------------------------------------------------------------------

    def _reply_lane(self, lane: Lane) -> Replies:
        return Replies(
            lane,
            self._durable,
            self._parked,
            self._sessions,
            upward=partial(self._client_said, lane),
            claimed=self._broadcast.pairing.claim,
            taken=partial(self._taken, lane),
            room=partial(self._room, lane),
            awaiting=self._await_receipts,
            most_unreceipted=self._bounds.unreceipted,
        )

    def _listener(self, port: int, kind: SocketType, owner: Owner, limits: Limits) -> Listener:
        path = self._prefix.with_name(f"{self._prefix.name}-{port}")
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISSOCK(path.lstat().st_mode):
                raise BridgeError(f"{path} is in the way of a kernel's socket.", advice="Move that file elsewhere.")
        return Listener(path, partial(self._accept, kind, owner, limits))

    def _accept(self, kind: SocketType, owner: Owner, limits: Limits, accepted: socket.socket) -> None:
        if len(self._connections) >= _MOST_CONNECTIONS:
            _log.warning("A client was turned away: kernel %s has %d connections.", self.kernel_id, _MOST_CONNECTIONS)
            accepted.close()
            return
        try:
            connection = Connection(accepted, kind, owner, limits, ended=self._connections.discard)
        except OSError:
            # It went away between connecting and being asked who it is.
            accepted.close()
            return
        self._connections.add(connection)
        owner.accepted(connection)

    def _client_said(self, lane: Lane, connection: Connection, frames: list[bytes]) -> None:
        self._execution.touched()
        if lane is Lane.CONTROL and self._hold_shutdown and _is_shutdown(frames):
            _log.info("A request to shut kernel %s down was held back: it is kept.", self.kernel_id)
            return
        if connection.identity[:1] == b"\0":
            self._nudges.remember(connection.process, frames)
        self._upward(lane, frames)

    def _session_ready(self, session: Session) -> None:
        for lane in self._replies.values():
            lane.flush(session.identity)
        self._broadcast.ready(session)

    def _session_left(self, session: Session) -> None:
        for lane in self._replies.values():
            lane.left(session)

    def _released(self) -> None:
        self._broadcast.settle()

    def _await_receipts(self) -> None:
        """They are words in memory that nobody announces: look at them, often while they move."""
        self._awaits = True
        if self._look is None:
            self._look = asyncio.get_running_loop().call_later(self._pause, self._look_at_receipts)

    def _look_at_receipts(self) -> None:
        self._awaits = False
        before = [self.taken_up_to(lane) for lane in Lane]
        self._broadcast.insist()
        self._broadcast.settle()
        for lane in self._replies.values():
            lane.settle()
        moved = [self.taken_up_to(lane) for lane in Lane] != before
        self._pause = _SHORTEST_PAUSE if moved else min(_LONGEST_PAUSE, self._pause * 1.5)
        loop = asyncio.get_running_loop()
        self._look = loop.call_later(self._pause, self._look_at_receipts) if self._awaits else None

    def _left_behind(self) -> list[LeftBehind]:
        slots = self._durable.slots(SlotKind.SUBSCRIBER)
        return [LeftBehind(slot.process, slot.name, slot.position, slot) for slot in slots]


class _Heartbeat:
    """Echoes what it is sent."""

    def accepted(self, connection: Connection) -> None: ...

    def opened(self, connection: Connection) -> None: ...

    def message(self, connection: Connection, frames: list[bytes]) -> None:
        if connection.is_writing:
            connection.close("it beats without reading the answers.")
            return
        connection.write(encode(frames))

    def drained(self, connection: Connection) -> None: ...

    def closed(self, connection: Connection) -> None: ...


def _is_shutdown(frames: list[bytes]) -> bool:
    at = header_index(frames)
    return at is not None and text_of(frames[at], "msg_type") == "shutdown_request"
