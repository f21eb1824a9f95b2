"""Receipts: up to which record a Jupyter server has passed on to its page what it got from us.

A server that is killed takes along what its process had read and not yet written to the page's websocket: our sockets
saw the last byte go, and the page never will. So our server extension keeps **receipts** for each websocket: a file
with a word for each lane, mapped into both processes. We put the number of each record before the delimiter of its
message, where Jupyter's clients expect identities and skip them; the extension stores that number when the operating
system has taken the message for the page. A store is one machine instruction, so it survives any kill.

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

from jupyter_gpu_bridge.machine.facade.execution import DELIMITER
from jupyter_gpu_bridge.machine.facade.processes import Process
from jupyter_gpu_bridge.machine.facade.zmtp import Wire, before, insert
from jupyter_gpu_bridge.model import Lane
from jupyter_gpu_bridge.settings import private_folder

_SIZE = 64
_PID = 0
_LANES = {lane: word for word, lane in enumerate(Lane, start=1)}
_FRAME = struct.Struct("<4sQ")
_MARK = b"\0jgb"
_NAME = b"\0jgb session "
_FIRST_FRAMES = 3
"""The number is the first frame of a reply, and the second of an output, after the topic."""


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
        receipts._words[_PID] = os.getpid()
        return receipts

    @classmethod
    def find(cls, prefix: Path, session: bytes, process: Process) -> Receipts | None:
        """For the link: those that this process writes, or wrote until it died."""
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
        if receipts._words[_PID] == process.pid:
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
    def number_in(frames: Sequence[bytes]) -> int | None:
        """The number of a message that we sent, if it bears one."""
        for frame in frames[:_FIRST_FRAMES]:
            if frame == DELIMITER:
                return None
            if len(frame) == _FRAME.size and frame.startswith(_MARK):
                number: int = _FRAME.unpack(frame)[1]
                return number
        return None

    def number(self, lane: Lane) -> int:
        return self._words[_LANES[lane]]

    def store(self, lane: Lane, number: int) -> None:
        """Everything of that lane up to `number` has been passed on."""
        if number > self._words[_LANES[lane]]:
            self._words[_LANES[lane]] = number

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


def numbered_output(wire: Wire, number: int) -> Wire:
    """An iopub message with its number after the topic."""
    return insert(wire, _FRAME.pack(_MARK, number))


def numbered_reply(wire: Wire, number: int) -> Wire:
    return before(_FRAME.pack(_MARK, number), wire)


def _path(folder: Path, session: bytes) -> Path:
    return folder / hashlib.sha256(session).hexdigest()[:32]
