"""Receipts: up to which record a Jupyter server has passed on to its page what it got from us.

A server that is killed takes along what its process had read and not yet written to the page's websocket: our sockets
saw the last byte go, and the page never will. So our server extension keeps **receipts** for each websocket: a file
with a word for each lane, mapped into both processes. We put a **stamp** with the number of each record before the
delimiter of its message, where Jupyter's clients expect identities and skip them; the extension stores that number when
the operating system has taken the message for the page. A store is one machine instruction, so it survives any kill.
The stamp also tells when the kernel said it: what comes late, and all at once, should not count as a flood.

SUB sockets carry no name. So the extension also subscribes to a topic that names the session and that nobody publishes.

A session without receipts (nbclient, a console, a server without our extension) is given untouched messages, and has
them when its socket has taken the last byte: nobody returns under its name.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from jupyter_gpu_bridge.machine.facade.execution import DELIMITER
from jupyter_gpu_bridge.machine.facade.processes import Process
from jupyter_gpu_bridge.machine.facade.zmtp import Wire, before, insert
from jupyter_gpu_bridge.model import Lane
from jupyter_gpu_bridge.settings import private_folder

_SIZE = 64
_PID = 0
_LANES = {lane: word for word, lane in enumerate(Lane, start=1)}
"""A word is one more than the number, so that 0 means: none yet."""
_PID_BEFORE = 1 + len(Lane)
_FRAME = struct.Struct("<4sQQ")
_MARK = b"\0jgb"
_NAME = b"\0jgb session "
_FIRST_FRAMES = 3
"""The stamp is the first frame of a reply, and the second of an output, after the topic."""


class Stamp(NamedTuple):
    number: int
    born: int = 0
    """In milliseconds of the wall clock; 0: nobody asks."""


class Receipts:
    """One session's, in either process."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._map = mmap.mmap(descriptor, _SIZE)
        self._words = memoryview(self._map).cast("Q")

    @classmethod
    def open(cls, prefix: Path, session: bytes) -> Receipts | None:
        """For the server, before it connects a session's sockets. None: what listens there wants no receipts."""
        folder = folder_of(prefix)
        if not folder.is_dir():
            return None
        path = _path(folder, session)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(descriptor).st_size != _SIZE:
                os.pwrite(descriptor, bytes(_SIZE), 0)
            receipts = cls(path, descriptor)
        finally:
            os.close(descriptor)
        receipts._taken_up_by(os.getpid())
        return receipts

    @classmethod
    def find(cls, prefix: Path, session: bytes, process: Process) -> Receipts | None:
        """For the link: those that this process writes, or wrote until it died.

        While there is no link, the next server may have opened them already; it has received nothing yet.
        """
        path = _path(folder_of(prefix), session)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            if os.fstat(descriptor).st_size != _SIZE:
                return None
            receipts = cls(path, descriptor)
        finally:
            os.close(descriptor)
        if process.pid in (receipts._words[_PID], receipts._words[_PID_BEFORE]):
            return receipts
        receipts.close()
        return None

    @staticmethod
    def topic_of(session: bytes) -> bytes:
        """What the session's SUB socket subscribes to, to say whose it is."""
        return _NAME + session

    @staticmethod
    def session_in(topic: bytes) -> bytes:
        """Whose socket it is that subscribes to this; empty for a topic like others."""
        return topic[len(_NAME) :] if topic.startswith(_NAME) else b""

    @staticmethod
    def stamp_on(frames: Sequence[bytes]) -> Stamp | None:
        """Of a message that we sent, if it bears one."""
        for frame in frames[:_FIRST_FRAMES]:
            if frame == DELIMITER:
                return None
            if len(frame) == _FRAME.size and frame.startswith(_MARK):
                return Stamp(*_FRAME.unpack(frame)[1:])
        return None

    def _taken_up_by(self, pid: int) -> None:
        before = self._words[_PID]
        if before != pid:
            self._words[_PID_BEFORE] = before
            self._words[_PID] = pid

    def number(self, lane: Lane) -> int:
        return max(0, self._words[_LANES[lane]] - 1)

    def has_begun(self, lane: Lane) -> bool:
        return self._words[_LANES[lane]] > 0

    def store(self, lane: Lane, number: int) -> None:
        """Everything of that lane up to `number` has been passed on."""
        if number >= self._words[_LANES[lane]]:
            self._words[_LANES[lane]] = number + 1

    def close(self) -> None:
        self._words.release()
        self._map.close()

    def delete(self) -> None:
        """The session is over."""
        self._path.unlink(missing_ok=True)
        self.close()


def folder_of(prefix: Path) -> Path:
    return prefix.with_name(f"{prefix.name}-receipts")


def make_folder(prefix: Path) -> None:
    """From now on a server may open receipts."""
    private_folder(folder_of(prefix))


def stamped_output(wire: Wire, stamp: Stamp) -> Wire:
    """An iopub message with a stamp after its topic."""
    return insert(wire, _FRAME.pack(_MARK, *stamp))


def stamped_reply(wire: Wire, stamp: Stamp) -> Wire:
    return before(_FRAME.pack(_MARK, *stamp), wire)


def _path(folder: Path, session: bytes) -> Path:
    return folder / hashlib.sha256(session).hexdigest()[:32]
