"""One client's iopub socket: what it asked for, how far it is, and where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING

from jupyter_gpu_bridge.machine.facade.backlog import Record
from jupyter_gpu_bridge.machine.facade.connection import Connection
from jupyter_gpu_bridge.machine.facade.durable import Slot
from jupyter_gpu_bridge.machine.facade.last_byte import LastByte
from jupyter_gpu_bridge.machine.facade.receipts import Stamp, stamped_output
from jupyter_gpu_bridge.machine.facade.zmtp import Wire
from jupyter_gpu_bridge.model import Lane

if TYPE_CHECKING:
    from jupyter_gpu_bridge.machine.facade.session import Session

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
        self.name = b""
        """The session it says it belongs to."""
        self.slot: Slot | None = None
        self.skip: set[int] = set()
        """Records it was given early."""
        self.replay: Iterator[Record] | None = None
        self.writing_since = 0.0
        self.partial: Record | None = None
        """The record of which it was given all but the last byte."""
        self.is_reunited = False
        """It was there before this process."""
        self.assumed = 0
        """Up to here it is taken to have passed on what it got, because more than that cannot be kept."""
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
    def settled(self) -> int:
        """Up to here nothing has to be kept for it: it was handed on, and is with the page if there are receipts."""
        receipts = self.session.receipts if self.session is not None else None
        if receipts is None:
            return self._position
        return max(self.assumed, min(self._position, receipts.number(Lane.IOPUB)))

    @property
    def busy(self) -> bool:
        return self._busy

    @property
    def counts(self) -> bool:
        """Whether records are given to it; one that only waits is given none."""
        return self.standing in (Standing.BEHIND, Standing.IN_STEP)

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

    def give_body(self, record: Record, now: float) -> None:
        """Write all but the last byte; when it does not fit now, `busy` until drained."""
        if not self.wants(record):
            self.position = record.number
            return
        self.partial = record
        has_receipts = self.session is not None and self.session.receipts is not None
        body = stamped_output(record.body, Stamp(record.number, record.born)) if has_receipts else record.body
        self._busy = not self.connection.write(body)
        self.writing_since = now

    def give_tail(self, record: Record, now: float, last_byte: LastByte) -> None:
        """The last byte, which moves the position."""
        if self.slot is None:
            return
        if last_byte.send(self.connection, record.tail, record.number, self.slot.position_word):
            self._position, self.partial = record.number, None
        else:
            self._busy, self.writing_since = True, now

    def give_early(self, record: Record, now: float) -> None:
        """Out of order: it is not repeated later, and the position stays."""
        self.skip.add(record.number)
        if self._matches(record.topic):
            self._busy, self.writing_since = not self.connection.write((*record.body, record.tail)), now

    def give_notice(self, wire: Wire) -> None:
        self._busy = not self.connection.write(wire)

    def drained(self) -> None:
        self._busy = False
