"""Joins a channel of the mux to a local socket: to a keeper's lane, or to a service."""

from __future__ import annotations

import asyncio
import socket

from jupyter_gpu_bridge.agent.frames import CHUNK, Buffer
from jupyter_gpu_bridge.agent.mux import MuxChannel

SMALL_SPACE = 16 * 1024
"""Room for one read; a socket that fills it is given room for a whole frame."""


class Splice:
    """Reads from the socket only when the mux can send, so that what waits does not wait in here.

    The socket is watched all the time but while it has something that the mux does not take yet.
    """

    def __init__(self, connection: socket.socket, first: bytes = b"") -> None:
        connection.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._socket = connection
        self._transport: MuxChannel | None = None
        self._backlog: list[memoryview] = [memoryview(first)] if first else []
        self._own = len(first)
        """How much of the backlog is ours: the peer needs no window for that."""
        self._space = memoryview(bytearray(SMALL_SPACE))
        self._was_filled = False
        self._is_dry = False
        """Whether everything was read; the loop says when there is more."""
        self._reading = False
        self._writing = False
        self._at_end = False

    def connect(self, transport: MuxChannel) -> None:
        self._transport = transport
        if self._backlog:
            self._flush()

    def pull(self, limit: int) -> list[Buffer]:
        """What is there; valid until the next pull, as it is always the same room that is read into."""
        if self._at_end or self._is_dry:
            return []
        if len(self._space) < limit and self._was_filled:
            self._space = memoryview(bytearray(CHUNK))
        room = min(limit, len(self._space))
        try:
            count = self._socket.recv_into(self._space, room)
        except (BlockingIOError, InterruptedError):
            self._is_dry = True
            self._watch_reader(True)
            return []
        except OSError:
            count = 0
        if not count:
            self._finish("")
            return []
        self._was_filled = count == room
        if count < room:
            self._is_dry = True
            self._watch_reader(True)
        return [self._space[:count]]

    def push(self, data: memoryview) -> None:
        sent = 0
        if not self._backlog:
            try:
                sent = self._socket.send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as error:
                self._finish(error.strerror or "")
                return
        if self._transport is not None and sent:
            self._transport.consumed(sent)
        if sent < len(data):
            self._backlog.append(memoryview(bytes(data[sent:])))
            self._watch_writer(True)

    def ended(self, reason: dict[str, str]) -> None:
        self._transport = None
        self._shut()

    def _flush(self) -> None:
        while self._backlog:
            piece = self._backlog[0]
            try:
                sent = self._socket.send(piece)
            except (BlockingIOError, InterruptedError):
                self._watch_writer(True)
                return
            except OSError as error:
                self._finish(error.strerror or "")
                return
            own = min(sent, self._own)
            self._own -= own
            if self._transport is not None and sent > own:
                self._transport.consumed(sent - own)
            if sent == len(piece):
                self._backlog.pop(0)
            else:
                self._backlog[0] = piece[sent:]
        self._watch_writer(False)

    def _readable(self) -> None:
        self._is_dry = False
        if self._transport is not None:
            self._transport.wake()
        if not self._is_dry:
            self._watch_reader(False)

    def _watch_reader(self, wanted: bool) -> None:
        if wanted and not self._reading:
            self._loop.add_reader(self._socket.fileno(), self._readable)
        elif self._reading and not wanted:
            self._loop.remove_reader(self._socket.fileno())
        self._reading = wanted

    def _watch_writer(self, wanted: bool) -> None:
        if wanted and not self._writing:
            self._loop.add_writer(self._socket.fileno(), self._flush)
        elif self._writing and not wanted:
            self._loop.remove_writer(self._socket.fileno())
        self._writing = wanted

    def _finish(self, why: str) -> None:
        """The socket is at its end; tell the peer after what was read has gone out."""
        self._at_end = True
        transport, self._transport = self._transport, None
        self._shut()
        if transport is not None:
            transport.close({"code": "ended", "what": why} if why else None)

    def _shut(self) -> None:
        if self._socket.fileno() >= 0:
            self._watch_reader(False)
            self._watch_writer(False)
            self._socket.close()
