"""Sends the last byte of a message and stores that this was done, in one system call.

A message counts when its last byte has arrived, so that byte and the cursor must not be torn apart by a kill. After an
ordinary `send` they can be: it wakes the reader, which may well run before our next instruction does. But `sendfile`
reads its offset from memory and writes the new one back before it returns, and a kill waits for that: so the cursor, a
word of a mapped file, *is* the offset, and the byte lies at the place whose number is one less than the record's.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Callable

from jupyter_gpu_bridge.machine.facade.connection import Connection
from jupyter_gpu_bridge.machine.facade.durable import Durable

_FRESH_AFTER = 1 << 20
"""Bytes after which the file in memory is given back."""


class LastByte:
    """One for each lane: numbers are places in a file, and each place has one byte."""

    def __init__(self, durable: Durable) -> None:
        self._durable = durable
        self._file: int | None = None
        self._stored = 0
        self._number = 0

    def send(self, connection: Connection, byte: bytes | memoryview, number: int, word: int) -> bool:
        """Everything before the byte was accepted. False: not now; `drained` will be called, or `closed`."""
        self._durable.words[word] = number - 1
        if _sendfile is None or not connection.is_open:
            return self._send_and_store(connection, byte, number, word)
        self._put(byte, number)
        sent = _sendfile(connection.fileno(), self._file, self._durable.address(word), 1)
        if sent == 1:
            return True
        # 0 would mean that there is no such byte: never to be waited for.
        connection.wait_for_room(broken=sent == 0 or ctypes.get_errno() not in (errno.EAGAIN, errno.EINTR))
        return False

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _put(self, byte: bytes | memoryview, number: int) -> None:
        if self._file is None or self._stored >= _FRESH_AFTER:
            self.close()
            self._file, self._stored, self._number = _memory_file(), 0, 0
        if number != self._number:
            os.pwrite(self._file, byte, number - 1)
            self._stored, self._number = self._stored + 1, number

    def _send_and_store(self, connection: Connection, byte: bytes | memoryview, number: int, word: int) -> bool:
        """Where there is no such call: two steps, a few microseconds apart."""
        if not connection.send_byte(byte):
            return False
        self._durable.words[word] = number
        return True


def _load_sendfile() -> Callable[[int, int | None, int, int], int] | None:
    if sys.platform != "linux" or not hasattr(os, "memfd_create"):
        return None
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "sendfile64"):
        return None
    sendfile = library.sendfile64
    sendfile.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
    sendfile.restype = ctypes.c_ssize_t
    return sendfile


def _memory_file() -> int:
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    return os.memfd_create("last-bytes", os.MFD_CLOEXEC)


_sendfile = _load_sendfile()
