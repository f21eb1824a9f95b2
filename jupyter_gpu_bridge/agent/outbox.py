"""What one side has said and the other has not yet acknowledged.

Invariants: numbers are consecutive and never reused; a record leaves only when it is acknowledged; `next` hands out
each record once per connection, in order, and `rewind` starts again behind what the other side has.
"""

from __future__ import annotations

import os
import time
from collections import deque
from pathlib import Path
from typing import Callable, Sequence

from jupyter_gpu_bridge.agent.frames import Buffer
from jupyter_gpu_bridge.agent.journal import Journal
from jupyter_gpu_bridge.agent.spool import SEGMENT, Record, Spool


def _share_of_memory() -> int:
    """A hundredth of the computer's memory, within reason."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(16 << 20, min(64 << 20, total // 128))


MEMORY = _share_of_memory()
"""Bytes that wait in memory before they go to disk. Less would send every burst there that is faster than the line."""
PIECE_COST = 200
"""What a small record costs in memory beside its bytes."""


class Outbox:
    """Kept in memory first and then, when a spool folder is given, on disk."""

    def __init__(
        self,
        *,
        spool: Path | None = None,
        journal: Journal | None = None,
        memory: int = MEMORY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._memory = memory
        self._spool = Spool(spool) if spool is not None else None
        self._journal = journal
        self._sent: deque[Record] = deque()
        self._again: deque[Record] = deque()
        self._fresh: deque[Record] = deque()
        self._fresh_size = 0
        self._size = 0
        self.acknowledged = 0
        self.last = 0
        self.disk_error: OSError | None = None
        """Why the disk took no more, while that is so."""
        if journal is not None:
            self.acknowledged, records = journal.load()
            self.last = self.acknowledged
            for record in records:
                self._keep(record)

    @property
    def held(self) -> int:
        """Bytes that wait for an acknowledgement, in memory and on disk."""
        return self._size + (self._spool.size if self._spool is not None else 0)

    @property
    def is_full(self) -> bool:
        """Whether memory is used up and the disk takes no more."""
        return self.disk_error is not None and self._fresh_size > self._memory

    def put(self, pieces: Sequence[Buffer]) -> int:
        """Keep one more record; its number."""
        record = Record(self.last + 1, pieces, self._clock())
        self._keep(record)
        if self._journal is not None:
            self._write_down(self._journal, record)
        return record.number

    def next(self) -> Record | None:
        """The next record to send on this connection."""
        if self._again:
            record: Record | None = self._again.popleft()
        elif self._spool is not None and self._spool:
            record = self._spool.read()
            if record is None:
                return self.next()
            self._size += record.size + PIECE_COST
        elif self._fresh:
            record = self._fresh.popleft()
            self._fresh_size -= record.size + PIECE_COST
        else:
            return None
        if record is not None:
            self._sent.append(record)
        return record

    def acknowledge(self, number: int) -> None:
        """The other side has handed on everything up to `number`, which is not beyond `last`."""
        if number <= self.acknowledged:
            return
        for queue in (self._sent, self._again):
            while queue and queue[0].number <= number:
                self._size -= queue.popleft().size + PIECE_COST
        self.acknowledged = number
        if self._journal is not None:
            self._cross_off(self._journal)

    def rewind(self, taken: int, have: int) -> None:
        """A new connection whose other side has everything up to `have`, and has handed on what is up to `taken`.

        What is between the two is not sent again, and not forgotten: the other side may yet be killed.
        A `have` beyond our last number is of an earlier life of this end, whose records nobody has any more.
        """
        waiting = [*self._sent, *self._again]
        if not self._spool:
            while self._fresh and self._fresh[0].number <= have:
                record = self._fresh.popleft()
                self._fresh_size -= record.size + PIECE_COST
                waiting.append(record)
        self._sent = deque(record for record in waiting if record.number <= have)
        self._again = deque(record for record in waiting if record.number > have)
        if have > self.last:
            self.last = taken = have
        self.acknowledge(taken)

    def blank(self) -> None:
        """What waits has lost its meaning: it is still sent, so that the numbers go on, but empty."""
        for queue in (self._sent, self._again, self._fresh):
            for record in queue:
                record.pieces = []
                cost, record.size = record.size, 0
                self._size -= cost
                if queue is self._fresh:
                    self._fresh_size -= cost
        if self._journal is not None:
            self._write_anew(self._journal)

    def close(self) -> None:
        if self._spool is not None:
            self._spool.close()
        if self._journal is not None:
            self._journal.close()

    def _write_down(self, journal: Journal, record: Record) -> None:
        """Also when the disk takes no more it is sent: then it lasts as long as this process, and no hole is left."""
        if self.disk_error is not None:
            self._write_anew(journal)
            return
        try:
            journal.append(record)
        except OSError as error:
            self.disk_error = error

    def _cross_off(self, journal: Journal) -> None:
        try:
            journal.acknowledge(self.acknowledged, is_all=not (self._sent or self._again or self._fresh))
        except OSError as error:
            self.disk_error = error
        if journal.is_worth_compacting(self._size):
            self._write_anew(journal)

    def _write_anew(self, journal: Journal) -> None:
        try:
            journal.rewrite(self.acknowledged, [*self._sent, *self._again, *self._fresh])
        except OSError as error:
            self.disk_error = error
        else:
            self.disk_error = None

    def _keep(self, record: Record) -> None:
        cost = record.size + PIECE_COST
        self._fresh.append(record)
        self._fresh_size += cost
        self._size += cost
        self.last = record.number
        if self._spool is not None and self._fresh_size > self._memory:
            self._spill(self._spool)

    def _spill(self, spool: Spool) -> None:
        """Move what has waited longest to the disk, a piece at a time: whoever else is here waits for the writing."""
        oldest: list[Record] = []
        cost = 0
        while self._fresh and cost < SEGMENT:
            record = self._fresh.popleft()
            oldest.append(record)
            cost += record.size + PIECE_COST
        try:
            spool.write(oldest)
        except OSError as error:
            self._fresh.extendleft(reversed(oldest))
            self.disk_error = error
            return
        self.disk_error = None
        self._size -= cost
        self._fresh_size -= cost
