"""A small file that remembers what was accepted and not yet acknowledged, over a kill -9 of its writer.

A write to a file survives the process that made it (not a power cut, which ends the clients as well).
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Sequence

from jupyter_gpu_bridge.agent.spool import Record

_START = struct.Struct("<8sQ")
_HEAD = struct.Struct("<QQd")
_MARK = b"gpbjrnl1"
_COMPACT_AT = 8 * 1024 * 1024


class Journal:
    """Appended to before anything is sent; emptied when everything is acknowledged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._size = os.fstat(self._file).st_size

    def load(self) -> tuple[int, list[Record]]:
        """What was acknowledged, and the records after it; a torn end is cut off."""
        data = os.pread(self._file, self._size, 0)
        if len(data) < _START.size or data[:8] != _MARK:
            self._restart(0)
            return 0, []
        acknowledged: int = _START.unpack_from(data)[1]
        records = []
        at = _START.size
        while at + _HEAD.size <= len(data):
            number, size, born = _HEAD.unpack_from(data, at)
            end = at + _HEAD.size + size
            if end > len(data):
                break
            if number > acknowledged:
                records.append(Record(number, [data[at + _HEAD.size : end]], born))
            at = end
        os.ftruncate(self._file, at)
        self._size = at
        return acknowledged, records

    def append(self, record: Record) -> None:
        """Raises `OSError` when the disk takes no more; then nothing was written."""
        head = _HEAD.pack(record.number, record.size, record.born)
        try:
            written = os.pwrite(self._file, b"".join([head, *record.pieces]), self._size)
            if written != _HEAD.size + record.size:
                raise OSError(28, "only a part could be written")
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += written

    def acknowledge(self, number: int, *, is_all: bool) -> None:
        """Everything up to `number` may go; `is_all` says that nothing else is in here."""
        if is_all:
            self._restart(number)
        else:
            os.pwrite(self._file, _START.pack(_MARK, number), 0)

    def is_worth_compacting(self, left: int) -> bool:
        """Whether most of the file is done with, when so many bytes are not."""
        return self._size > _COMPACT_AT and left * 2 < self._size

    def rewrite(self, acknowledged: int, left: Sequence[Record]) -> None:
        """Put these, and nothing else, in a fresh file; raises `OSError`, and then the old one is as it was."""
        fresh = self._path.with_suffix(".new")
        try:
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(_START.pack(_MARK, acknowledged))
                for record in left:
                    file.write(_HEAD.pack(record.number, record.size, record.born))
                    for piece in record.pieces:
                        file.write(piece)
            os.replace(fresh, self._path)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise
        os.close(self._file)
        self._file = os.open(self._path, os.O_RDWR)
        self._size = os.fstat(self._file).st_size

    def close(self) -> None:
        os.close(self._file)

    def _restart(self, acknowledged: int) -> None:
        os.pwrite(self._file, _START.pack(_MARK, acknowledged), 0)
        if self._size != _START.size:
            os.ftruncate(self._file, _START.size)
            self._size = _START.size
