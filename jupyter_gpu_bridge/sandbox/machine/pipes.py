"""The pipes of a command, as paramiko's threads need them: written without blocking, read until told to stop."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import threading

_WIDE = 1 << 20
_CHUNK = 128 * 1024
_LOOK_UP = 0.5
"""Seconds after which a writer that nobody reads from looks whether it is still wanted."""


def wide_pipe() -> tuple[int, int]:
    """Reading and writing end; with room for much where the system allows it."""
    reader, writer = os.pipe()
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _WIDE)
    return reader, writer


class Sink:
    """The writing end of a command's input, in the shape of a socket; what nobody reads any more is dropped."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._broken = False
        self._stopped = False
        self._lock = threading.Lock()

    def send(self, data: memoryview, flags: int = 0) -> int:
        """Never blocks; raises `BlockingIOError` when there is no room."""
        with self._lock:
            if self._broken:
                return len(data)
            try:
                return os.write(self._descriptor, data)
            except BlockingIOError:
                raise
            except OSError:
                self._broken = True
                return len(data)

    def sendall(self, data: memoryview) -> None:
        """Blocks until all is taken; raises `OSError` after `stop`."""
        room = select.poll()
        room.register(self._descriptor, select.POLLOUT)
        while data:
            if self._stopped:
                raise BrokenPipeError
            try:
                data = data[self.send(data) :]
            except BlockingIOError:
                room.poll(_LOOK_UP * 1000)

    def stop(self) -> None:
        self._stopped = True

    def close(self) -> None:
        """By the thread that calls `sendall`, when it is done."""
        with self._lock:
            self._broken = True
            os.close(self._descriptor)


class Source:
    """The reading end of a command's output."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._wake_reader, self._wake_writer = os.pipe()
        self._stopped = False
        self._lock = threading.Lock()

    def read(self) -> bytes:
        """Blocks; nothing at the end, or after `stop`."""
        ready = select.poll()
        ready.register(self._descriptor, select.POLLIN)
        ready.register(self._wake_reader, select.POLLIN)
        ready.poll()
        return b"" if self._stopped else os.read(self._descriptor, _CHUNK)

    def stop(self) -> None:
        with self._lock:
            if not self._stopped:
                self._stopped = True
                os.write(self._wake_writer, b"x")

    def close(self) -> None:
        """By the thread that reads, when it is done; the writer meets a broken pipe from then on."""
        with self._lock:
            self._stopped = True
            for each in (self._descriptor, self._wake_reader, self._wake_writer):
                os.close(each)
