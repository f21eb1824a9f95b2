"""The iopub records that are not taken over yet, in memory and in order."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from jupyter_gpu_bridge.machine.facade.zmtp import Frames, Wire, encode, split

_COMPACT_AT = 1024
_COST = 400
"""What a small record costs in memory beside its bytes."""


@dataclass(frozen=True, slots=True)
class Record:
    """One message, encoded once for all subscribers, and split before its last byte: see `last_byte`."""

    number: int
    born: int
    """When the kernel said it, in milliseconds of this computer's wall clock."""
    topic: bytes
    body: Wire
    tail: bytes
    size: int

    @classmethod
    def of(cls, number: int, frames: Frames, age: float) -> Record:
        born = int((time.time() - age) * 1000)
        return cls.of_wire(number, born, encode(frames), bytes(frames[0]) if frames else b"")

    @classmethod
    def of_wire(cls, number: int, born: int, wire: Wire, topic: bytes) -> Record:
        body, tail = split(wire)
        return cls(number, born, topic, body, tail, sum(memoryview(part).nbytes for part in wire))


class Backlog:
    def __init__(self) -> None:
        self._records: list[Record] = []
        self._head = 0
        self.size = 0

    def append(self, record: Record) -> None:
        self._records.append(record)
        self.size += record.size

    @property
    def cost(self) -> int:
        """About what it takes in memory."""
        return self.size + _COST * (len(self._records) - self._head)

    def number_before(self, through: int, most: int) -> int:
        """The record behind which those up to `through` cost at most that much memory; 0 when all do."""
        first, last = self._head, bisect_right(self._records, through, lo=self._head, key=_number)
        for index in range(last - 1, first - 1, -1):
            most -= self._records[index].size + _COST
            if most < 0:
                return self._records[index].number
        return 0

    def after(self, number: int) -> Record | None:
        """The next record; numbers are consecutive but for gaps at the far side, so the first guess is nearly right."""
        records, head = self._records, self._head
        if head == len(records) or records[-1].number <= number:
            return None
        guess = head + number + 1 - records[head].number
        if guess <= head:
            return records[head]
        if guess < len(records) and records[guess].number == number + 1:
            return records[guess]
        return records[bisect_right(records, number, lo=head, key=_number)]

    def between(self, after: int, through: int) -> Iterator[Record]:
        while (record := self.after(after)) is not None and record.number <= through:
            yield record
            after = record.number

    def drop_through(self, number: int) -> None:
        while self._head < len(self._records) and self._records[self._head].number <= number:
            self.size -= self._records[self._head].size
            self._head += 1
        if self._head == len(self._records) or self._head > _COMPACT_AT:
            del self._records[: self._head]
            self._head = 0


def _number(record: Record) -> int:
    return record.number
