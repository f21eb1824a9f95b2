"""Non-blocking reading and writing of one pipe on an event loop, with as few copies as there can be.

What is to be written is *pulled* at the moment when the pipe can take it, so that the owner decides as late as possible
what goes first. asyncio's own transports buffer what is pushed into them, which is the opposite.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
import stat
import sys
from typing import Callable

from jupyter_gpu_bridge.agent.frames import Buffer

READ_SIZE = 256 * 1024
MOST_BUFFERS = 64
JOINED = 8 * 1024
"""Up to this size, buffers are copied into one: that is cheaper than to tell the operating system of each."""
_WIDTH = 512 * 1024
_F_SETPIPE_SZ = 1031
"""Linux; not in the standard library before Python 3.10."""


class Duplex:
    """Owns the registration of the two descriptors with the loop, not the descriptors themselves."""

    def __init__(
        self,
        reader: int,
        writer: int,
        *,
        received: Callable[[memoryview], None],
        pull: Callable[[], list[Buffer]],
        ended: Callable[[str], None],
    ) -> None:
        """`received` gets views that are valid only during the call; `ended` is called once, with the reason."""
        self._loop = asyncio.get_running_loop()
        self._reader = reader
        self._writer = writer
        self._received = received
        self._pull = pull
        self._ended = ended
        self._space = bytearray(READ_SIZE)
        self._rest: list[memoryview] = []
        self._writing = False
        self._reading = False
        self._open = True
        self._pulling = self._again = False
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        self.resume()

    def pause(self) -> None:
        """Stop reading; what comes waits in the pipe."""
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._reader)

    def resume(self) -> None:
        if self._open and not self._reading:
            self._reading = True
            self._loop.add_reader(self._reader, self._readable)

    def wake(self) -> None:
        """There may be something to pull; may be said from inside a pull."""
        if self._pulling:
            self._again = True
        elif self._open and not self._writing:
            self._writable()

    def close(self) -> None:
        """Forget the descriptors; `ended` is not called."""
        if not self._open:
            return
        self._open = False
        self.pause()
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._writer)

    def _readable(self) -> None:
        try:
            count = os.readv(self._reader, [self._space])
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(error.strerror or str(error))
            return
        if count == 0:
            self._end("")
            return
        self._received(memoryview(self._space)[:count])

    def _writable(self) -> None:
        while True:
            if not self._rest:
                self._fetch()
            if not self._rest or not self._open:
                self._watch_writer(False)
                return
            try:
                count = os.writev(self._writer, self._rest[:MOST_BUFFERS])
            except (BlockingIOError, InterruptedError):
                count = 0
            except OSError as error:
                self._end(error.strerror or str(error))
                return
            blocked = self._advance(count)
            if blocked:
                self._watch_writer(True)
                return

    def _fetch(self) -> None:
        """Pull until there is something, or nobody said meanwhile that there is more."""
        self._pulling = True
        try:
            self._again = True
            while self._again and not self._rest:
                self._again = False
                self._rest = _views(self._pull())
        finally:
            self._pulling = False

    def _advance(self, count: int) -> bool:
        """Drop what was written; whether the pipe took less than it was offered."""
        done = 0
        for piece in self._rest[:MOST_BUFFERS]:
            if count < len(piece):
                break
            count -= len(piece)
            done += 1
        offered = min(len(self._rest), MOST_BUFFERS)
        del self._rest[:done]
        if done < offered and self._rest:
            self._rest[0] = self._rest[0][count:]
            return True
        return False

    def _watch_writer(self, wanted: bool) -> None:
        if wanted and not self._writing:
            self._loop.add_writer(self._writer, self._writable)
        elif self._writing and not wanted:
            self._loop.remove_writer(self._writer)
        self._writing = wanted

    def _end(self, reason: str) -> None:
        if self._open:
            self.close()
            self._ended(reason)


def _views(pieces: list[Buffer]) -> list[memoryview]:
    """As bytes, and few."""
    if len(pieces) > 1 and sum(map(len, pieces)) <= JOINED:
        return [memoryview(b"".join(pieces))]
    return [memoryview(piece).cast("B") for piece in pieces]


def widen(descriptor: int) -> None:
    """Give a pipe or socket room for more, where the system allows: a full one costs a wait each time."""
    with contextlib.suppress(OSError):
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            if sys.platform == "linux":
                fcntl.fcntl(descriptor, _F_SETPIPE_SZ, _WIDTH)
            return
        with socket.socket(fileno=os.dup(descriptor)) as end:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _WIDTH)


def descriptor_reader(descriptor: int, size: int) -> bytes | None:
    """Up to `size` bytes that are there now; empty at the end of the file; `None` when nothing is there yet."""
    try:
        return os.read(descriptor, size)
    except (BlockingIOError, InterruptedError):
        return None
