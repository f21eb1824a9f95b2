"""Records that wait on disk: a queue of files, written at one end, read and deleted at the other."""

from __future__ import annotations

import os
import struct
from collections import deque
from pathlib import Path
from typing import BinaryIO, Sequence

from jupyter_gpu_bridge.agent.frames import Buffer

_HEAD = struct.Struct("<QQd")
SEGMENT = 16 * 1024 * 1024
"""About how much goes into one file."""


class Record:
    """One numbered record as it waits: `pieces` are kept apart so that nothing big is copied."""

    __slots__ = ("born", "number", "pieces", "size")

    def __init__(self, number: int, pieces: Sequence[Buffer], born: float) -> None:
        self.number = number
        self.pieces = pieces
        self.size = sum(len(piece) for piece in pieces)
        self.born = born
        """On the monotonic clock, which all processes of one computer share."""


class Spool:
    """First in, first out; what was read is gone. Errors of the disk come out as `OSError` and lose nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._segments: deque[Path] = deque()
        self._reader: BinaryIO | None = None
        self._made = 0
        self.size = 0
        for left in folder.glob("*.records") if folder.is_dir() else ():
            left.unlink()

    def __bool__(self) -> bool:
        return bool(self._segments)

    def write(self, records: Sequence[Record]) -> None:
        """Append one segment with all of these, or nothing."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / (f"{self._made:08d}.records")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as file:
                for record in records:
                    file.write(_HEAD.pack(record.number, record.size, record.born))
                    for piece in record.pieces:
                        file.write(piece)
        except OSError:
            if path.exists():
                path.unlink()
            raise
        self._made += 1
        self._segments.append(path)
        self.size += sum(record.size for record in records)

    def read(self) -> Record | None:
        """The oldest record, or nothing."""
        while self._segments:
            if self._reader is None:
                self._reader = open(self._segments[0], "rb")  # noqa: SIM115 - stays open between calls
            head = self._reader.read(_HEAD.size)
            if head:
                number, size, born = _HEAD.unpack(head)
                self.size -= size
                return Record(number, [self._reader.read(size)], born)
            self._reader.close()
            self._reader = None
            self._segments.popleft().unlink()
        return None

    def close(self) -> None:
        """Forget everything and leave nothing on the disk."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        while self._segments:
            self._segments.popleft().unlink()
        self.size = 0
