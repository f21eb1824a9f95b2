"""Joins a channel of the mux to a local socket: to a keeper's lane, or to a service."""

from __future__ import annotations

import asyncio
import socket

from jupyter_gpu_bridge.agent.frames import Buffer
from jupyter_gpu_bridge.agent.mux import MuxChannel


class Splice:
    """Reads from the socket only when the mux can send, so that what waits does not wait in here."""

    def __init__(self, connection: socket.socket, first: bytes = b"") -> None:
        connection.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._socket = connection
        self._transport: MuxChannel | None = None
        self._backlog: list[memoryview] = [memoryview(first)] if first else []
        self._own = len(first)
        """How much of the backlog is ours: the peer needs no window for that."""
        self._reading = False
        self._writing = False
        self._at_end = False

    def connect(self, transport: MuxChannel) -> None:
        self._transport = transport
        if self._backlog:
            self._flush()

    def pull(self, limit: int) -> list[Buffer]:
        if self._at_end:
            return []
        try:
            data = self._socket.recv(limit)
        except (BlockingIOError, InterruptedError):
            self._watch_reader(True)
            return []
        except OSError:
            data = b""
        if data:
            return [data]
        self._finish("")
        return []

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
        self._watch_reader(False)
        if self._transport is not None:
            self._transport.wake()

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
