"""iopub records on disk, for clients that are away while others go on: segments of a file, dropped from the front."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from jupyter_gpu_bridge.machine.facade.backlog import Record
from jupyter_gpu_bridge.machine.facade.zmtp import first_frame

_ENTRY = struct.Struct("<QQQ")
"""Number, size, and when it was said."""
_SEGMENT = 16 << 20


@dataclass(slots=True)
class _Segment:
    path: Path
    first: int
    last: int
    size: int


class Journal:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._segments = [found for path in sorted(folder.glob("iopub-*.journal")) if (found := _scan(path))]
        self._descriptor: int | None = None

    @property
    def last(self) -> int:
        return self._segments[-1].last if self._segments else 0

    def goes_back_to(self, cursor: int) -> int:
        """Of what is up to the cursor, all that follows this number is here."""
        return self._segments[0].first - 1 if self._segments and self.last >= cursor else cursor

    @property
    def size(self) -> int:
        return sum(segment.size for segment in self._segments)

    def append(self, record: Record) -> None:
        """In the hands of the operating system when this returns; an `OSError` leaves what was there before."""
        entry = b"".join((_ENTRY.pack(record.number, record.size, record.born), *record.body, record.tail))
        segment, descriptor = self._segment_for(record.number)
        try:
            if os.write(descriptor, entry) != len(entry):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            os.ftruncate(descriptor, segment.size)
            raise
        segment.size += len(entry)
        segment.last = record.number

    def reader(self, after: int) -> Iterator[Record]:
        """Records with a higher number, also those that are appended while reading; ends where the journal ends now."""
        while (segment := next((each for each in self._segments if each.last > after), None)) is not None:
            with segment.path.open("rb") as file:
                for record in _entries(file, segment):
                    if record.number > after:
                        after = record.number
                        yield record

    def drop_through(self, number: int) -> None:
        while self._segments and self._segments[0].last <= number:
            self._drop_first()

    def clear(self) -> None:
        while self._segments:
            self._drop_first()

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _drop_first(self) -> None:
        segment = self._segments.pop(0)
        if not self._segments:
            self.close()
        segment.path.unlink(missing_ok=True)

    def _segment_for(self, number: int) -> tuple[_Segment, int]:
        if self._segments and self._segments[-1].size < _SEGMENT:
            segment = self._segments[-1]
        else:
            self.close()
            segment = _Segment(self._folder / f"iopub-{number:020d}.journal", number, number - 1, 0)
            self._segments.append(segment)
        if self._descriptor is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(segment.path, flags, 0o600)
        return segment, self._descriptor


def _entries(file: BinaryIO, segment: _Segment) -> Iterator[Record]:
    while file.tell() < segment.size:
        number, size, born = _ENTRY.unpack(file.read(_ENTRY.size))
        wire = file.read(size)
        yield Record.of_wire(number, born, (wire,), first_frame(wire))


def _scan(path: Path) -> _Segment | None:
    """What a segment holds; an entry that a kill cut short is cut off (it was not taken over, so it comes again)."""
    segment = _Segment(path, 0, 0, 0)
    whole = path.stat().st_size
    with path.open("rb") as file:
        while len(head := file.read(_ENTRY.size)) == _ENTRY.size:
            number, size, _ = _ENTRY.unpack(head)
            end = segment.size + _ENTRY.size + size
            if end > whole:
                break
            file.seek(end)
            segment.first = segment.first or number
            segment.last, segment.size = number, end
    if not segment.size:
        path.unlink()
        return None
    os.truncate(path, segment.size)
    return segment
