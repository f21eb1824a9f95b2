"""One client's socket: handshake, what it says, and writing to it so that we know when the last byte was accepted.

A write to a Unix stream socket lands in the receiver's own queue. So once `sendmsg` accepted the last byte of a
message, that message survives the end of this process: this moment is what "handed on" means.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Protocol

from jupyter_gpu_bridge.errors import BridgeError, PeerMisbehaved
from jupyter_gpu_bridge.machine.facade.processes import Process
from jupyter_gpu_bridge.machine.facade.zmtp import (
    GREETING,
    Command,
    Decoder,
    Event,
    Greeting,
    Limits,
    Wire,
    decode_ready,
    encode_command,
    encode_ready,
)

_log = logging.getLogger(__name__)
_serial = itertools.count(1)
_READS_IN_A_ROW = 16
_BUFFERS_IN_A_CALL = 64
_PONGS_WAITING = 1 << 16
_SEND_BUFFER = 2 << 20
"""Bytes, as far as the system allows it: a message of a megabyte in one call, without waiting for its reader."""


class SocketType(Enum):
    """What we are on a socket, and who may connect to it."""

    ROUTER = b"ROUTER"
    XPUB = b"XPUB"
    REP = b"REP"

    @property
    def partners(self) -> frozenset[bytes]:
        return _PARTNERS[self]


_PARTNERS = {
    SocketType.ROUTER: frozenset({b"DEALER"}),
    SocketType.XPUB: frozenset({b"SUB", b"XSUB"}),
    SocketType.REP: frozenset({b"REQ"}),
}


class Owner(Protocol):
    """Whoever wants to know what happens on a connection."""

    def accepted(self, connection: Connection) -> None:
        """Somebody connected; nothing is known but the process."""

    def opened(self, connection: Connection) -> None:
        """The handshake is complete."""

    def message(self, connection: Connection, frames: list[bytes]) -> None: ...

    def drained(self, connection: Connection) -> None:
        """Everything written so far was accepted by the operating system."""

    def closed(self, connection: Connection) -> None:
        """It is gone, whoever ended it; called once for each that was accepted."""


class Connection:
    """`serial` orders connections by when they were accepted."""

    def __init__(
        self,
        accepted: socket.socket,
        kind: SocketType,
        owner: Owner,
        limits: Limits,
        *,
        ended: Callable[[Connection], None],
    ) -> None:
        accepted.setblocking(False)
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self.serial = next(_serial)
        self.process = Process.of_peer(accepted)
        self.identity = b""
        self._socket = accepted
        self._kind = kind
        self._owner = owner
        self._ended = ended
        self._decoder = Decoder(limits)
        self._waiting: deque[memoryview] = deque()
        self._waiting_bytes = 0
        self._open = False
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self.accepted_at = self._loop.time()
        self._deadline = self._loop.call_later(limits.handshake_seconds, self._too_slow)
        self._loop.add_reader(accepted, self._readable)
        self.write((GREETING,))

    @property
    def is_open(self) -> bool:
        return self._open and not self._closed

    @property
    def is_closed(self) -> bool:
        return self._closed

    @property
    def is_writing(self) -> bool:
        """Some bytes were not accepted yet; `drained` will tell."""
        return bool(self._waiting)

    def write(self, wire: Wire) -> bool:
        """Hand bytes to the operating system; False: not all were accepted yet, and `drained` will be called."""
        if self._closed:
            return False
        if not self._waiting and len(wire) == 1:
            return self._write_one(wire[0])
        for buffer in wire:
            view = memoryview(buffer).cast("B")
            if view.nbytes:
                self._waiting.append(view)
                self._waiting_bytes += view.nbytes
        return self._flush()

    def fileno(self) -> int:
        return self._socket.fileno()

    def send_byte(self, byte: bytes | memoryview) -> bool:
        """Send it now, or not at all; False as for `wait_for_room`. Nothing may be waiting."""
        try:
            if not self._closed and self._socket.send(byte) == 1:
                return True
        except (BlockingIOError, InterruptedError):
            self.wait_for_room()
        except OSError:
            self.wait_for_room(broken=True)
        return False

    def wait_for_room(self, *, broken: bool = False) -> None:
        """`drained` will be called when more can be written; or `closed`, when the connection is broken."""
        if self._closed:
            return
        if broken:
            self._loop.call_soon(self.close)
        else:
            self._loop.add_writer(self._socket, self._writable)

    def close(self, why: str = "") -> None:
        if self._closed:
            return
        if why:
            _log.warning("Closed a client's connection (process %d): %s", self.process.pid, why)
        self.abandon()
        self._ended(self)
        self._owner.closed(self)

    def abandon(self) -> None:
        """Close without a word to anybody: to the owner it is as if this process had ended."""
        self._closed = True
        self._deadline.cancel()
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        self._waiting.clear()

    def _write_one(self, buffer: bytes | memoryview) -> bool:
        """The common case without any bookkeeping: one small buffer, nothing waiting."""
        try:
            sent = self._socket.send(buffer)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._loop.call_soon(self.close)
            return False
        view = memoryview(buffer).cast("B")
        if sent == view.nbytes:
            return True
        self._waiting.append(view[sent:])
        self._waiting_bytes += view.nbytes - sent
        self._loop.add_writer(self._socket, self._writable)
        return False

    def _flush(self) -> bool:
        while self._waiting:
            try:
                sent = self._socket.sendmsg(list(itertools.islice(self._waiting, _BUFFERS_IN_A_CALL)))
            except (BlockingIOError, InterruptedError):
                self._loop.add_writer(self._socket, self._writable)
                return False
            except OSError:
                # Never from inside a caller's loop over connections: `closed` changes what it iterates.
                self._loop.call_soon(self.close)
                return False
            self._waiting_bytes -= sent
            while sent:
                head = self._waiting[0]
                if sent < head.nbytes:
                    self._waiting[0] = head[sent:]
                    break
                sent -= head.nbytes
                self._waiting.popleft()
        return True

    def _writable(self) -> None:
        if self._closed or not self._flush():
            return
        self._loop.remove_writer(self._socket)
        if self._open:
            self._owner.drained(self)

    def _readable(self) -> None:
        for _ in range(_READS_IN_A_ROW):
            if self.is_closed:
                return
            space = self._decoder.space()
            try:
                count = self._socket.recv_into(space)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                count = 0
            if not count:
                self.close()
                return
            try:
                for event in self._decoder.received(count):
                    self._handle(event)
            except BridgeError as problem:
                self.close(str(problem))
                return
            if count < space.nbytes:
                return

    def _handle(self, event: Event) -> None:
        if self._closed:
            return
        if isinstance(event, Greeting):
            self.write((encode_ready({b"Socket-Type": self._kind.value, b"Identity": b""}),))
        elif isinstance(event, Command):
            self._obey(event)
        else:
            self._owner.message(self, event.frames)

    def _obey(self, command: Command) -> None:
        if command.name == b"PING" and self._open and len(command.body) <= 18:
            if self._waiting_bytes < _PONGS_WAITING:
                self.write((encode_command(b"PONG", command.body[2:]),))
        elif command.name == b"READY" and not self._open:
            self._become_open(decode_ready(command.body))
        elif command.name == b"ERROR" and not self._open:
            raise PeerMisbehaved("The peer refused the handshake.")
        elif command.name != b"PONG":
            raise PeerMisbehaved("The peer sent a command that has no place here.")

    def _become_open(self, properties: dict[bytes, bytes]) -> None:
        if properties.get(b"socket-type") not in self._kind.partners:
            raise PeerMisbehaved("The peer is not a socket that can talk to this one.")
        identity = properties.get(b"identity", b"")
        if len(identity) > 255 or identity[:1] == b"\0":
            raise PeerMisbehaved("The peer gives itself a name that is not allowed.")
        self.identity = identity
        self._deadline.cancel()
        self._decoder.handshake_done()
        self._open = True
        self._owner.opened(self)

    def _too_slow(self) -> None:
        self.close("the handshake was not completed in time.")
