"""One client's iopub socket: what it asked for, how far it is, and where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING

from jupyter_gpu_bridge.machine.facade.backlog import Record
from jupyter_gpu_bridge.machine.facade.connection import Connection
from jupyter_gpu_bridge.machine.facade.durable import Slot

if TYPE_CHECKING:
    from jupyter_gpu_bridge.machine.facade.sessions import Session

_MOST_TOPICS = 64


class Standing(Enum):
    NEW = "new"
    """It has not subscribed to anything."""
    WAITING = "waiting"
    """It is not known yet whose it is, or its session has returned and has not spoken."""
    BEHIND = "behind"
    """It catches up at its own pace."""
    IN_STEP = "in step"
    """It gets each record together with the others."""


class Subscriber:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.standing = Standing.NEW
        self.session: Session | None = None
        self.slot: Slot | None = None
        self.skip: set[int] = set()
        """Records it was given early."""
        self.replay: Iterator[Record] | None = None
        self.writing = 0
        """The record that is partly written; its position once that is drained."""
        self.writing_since = 0.0
        self.has_body_of = 0
        """The big record of which only the last byte is missing."""
        self._busy = False
        self._topics: set[bytes] = set()
        self._position = 0

    @property
    def position(self) -> int:
        """Up to here everything was handed on to it; also in its durable slot."""
        return self._position

    @position.setter
    def position(self, number: int) -> None:
        self._position = number
        if self.slot is not None:
            self.slot.position = number

    @property
    def busy(self) -> bool:
        return self._busy

    @property
    def is_returning(self) -> bool:
        return self.standing is Standing.WAITING and self.session is not None

    def subscription(self, request: bytes) -> None:
        if request[:1] == b"\1" and len(self._topics) < _MOST_TOPICS:
            self._topics.add(request[1:])
        elif request[:1] == b"\0":
            self._topics.discard(request[1:])

    def wants(self, record: Record) -> bool:
        return record.number not in self.skip and self._matches(record.topic)

    def _matches(self, topic: bytes) -> bool:
        return b"" in self._topics or any(topic.startswith(prefix) for prefix in self._topics)

    def give(self, record: Record, now: float) -> None:
        """Write a whole record; when it does not fit now, `busy` until drained."""
        wire = (*record.body, *record.tail) if record.tail else record.body
        if not self.wants(record) or self._write(record, wire, now):
            self.position = record.number

    def give_body(self, record: Record, now: float) -> None:
        """Write all but the last byte of a big record."""
        if not self.wants(record):
            self.position = record.number
        elif self._write(record, record.body, now, partly=True):
            self.has_body_of = record.number

    def give_tail(self, record: Record, now: float) -> None:
        if self._write(record, record.tail, now):
            self.position = record.number

    def give_early(self, record: Record, now: float) -> None:
        """Out of order: it is not repeated later, and the position stays."""
        self.skip.add(record.number)
        if self._matches(record.topic):
            self._write(record, (*record.body, *record.tail), now, early=True)

    def drained(self) -> None:
        self._busy = False
        if self.writing:
            self.position = self.writing
            self.writing = 0

    def _write(
        self,
        record: Record,
        wire: tuple[bytes | memoryview, ...],
        now: float,
        *,
        partly: bool = False,
        early: bool = False,
    ) -> bool:
        if self.connection.write(wire):
            return True
        self._busy = True
        self.writing_since = now
        self.writing = 0 if partly or early else record.number
        if partly:
            self.has_body_of = record.number
        return False
