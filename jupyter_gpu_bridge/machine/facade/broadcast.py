"""iopub: every subscriber gets every record once and in order.

Subscribers move in step: the next record is begun when the last was accepted for all of them, so that their positions
differ by one record at most, whenever this process ends. A subscriber that stalls leaves the step and catches up alone.
`taken` means: handed on to every subscriber, and in the journal for every session that is away.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from jupyter_gpu_bridge.machine.facade.backlog import Backlog, Record
from jupyter_gpu_bridge.machine.facade.connection import Connection
from jupyter_gpu_bridge.machine.facade.durable import Durable, SlotKind
from jupyter_gpu_bridge.machine.facade.execution import header_index, text_of
from jupyter_gpu_bridge.machine.facade.journal import Journal
from jupyter_gpu_bridge.machine.facade.last_byte import LastByte
from jupyter_gpu_bridge.machine.facade.nudges import Nudges
from jupyter_gpu_bridge.machine.facade.pairing import SECONDS as PAIRING_SECONDS
from jupyter_gpu_bridge.machine.facade.pairing import Pairing
from jupyter_gpu_bridge.machine.facade.parked import Parked
from jupyter_gpu_bridge.machine.facade.processes import Process
from jupyter_gpu_bridge.machine.facade.sessions import LeftBehind, Session, Sessions
from jupyter_gpu_bridge.machine.facade.subscriber import Standing, Subscriber
from jupyter_gpu_bridge.machine.facade.zmtp import Frames
from jupyter_gpu_bridge.model import Lane

_log = logging.getLogger(__name__)
_RECORDS_IN_A_ROW = 64


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is kept, and for how long."""

    ahead: int = 8 << 20
    """Bytes beyond the step before `deliver` says pause."""
    stall_seconds: float = 2.0
    behind: int = 64 << 20
    """Bytes in memory for one stalled subscriber before it is disconnected."""
    journal: int = 256 << 20
    keep_seconds: float = 24 * 3600.0
    reunion_seconds: float = 2.0
    """How long a new link waits for the clients of the old one."""


class Broadcast:
    def __init__(
        self,
        durable: Durable,
        journal: Journal,
        parked: Parked,
        sessions: Sessions,
        nudges: Nudges,
        bounds: Bounds,
        *,
        taken: Callable[[int], None],
        room: Callable[[], None],
        left: list[LeftBehind],
    ) -> None:
        self._durable = durable
        self._journal = journal
        self._parked = parked
        self._sessions = sessions
        self._nudges = nudges
        self._bounds = bounds
        self._taken = taken
        self._room = room
        self._loop = asyncio.get_running_loop()
        self._backlog = Backlog()
        self._last_byte = LastByte(durable)
        self._last = self._step = durable.cursor(Lane.IOPUB)
        self._ahead = 0
        self._paused = False
        self._pumping = self._again = self._settling = False
        self._stall_timer: asyncio.TimerHandle | None = None
        self._unclassified: set[asyncio.TimerHandle] = set()
        self._subscribers: dict[Connection, Subscriber] = {}
        self.pairing = Pairing(self._paired)
        self._left = [each for each in left if each.process.alive]
        self._expected: Counter[Process] = Counter()
        self._expected_after: dict[Process, int] = {}
        self._reunion: asyncio.TimerHandle | None = None
        self._expect()

    @property
    def cursor(self) -> int:
        return self._durable.cursor(Lane.IOPUB)

    @property
    def count(self) -> int:
        return sum(each.standing is not Standing.NEW for each in self._subscribers.values())

    def close(self) -> None:
        for timer in (self._stall_timer, self._reunion, *self._unclassified):
            if timer is not None:
                timer.cancel()
        self._last_byte.close()

    # records come in -------------------------------------------------------------------------------------------------

    def deliver(self, number: int, frames: Frames) -> bool:
        if number <= self._last:
            return not self._paused
        if number != self._last + 1:
            _log.warning("iopub records %d to %d were lost on the far side.", self._last + 1, number - 1)
        record = Record.of(number, frames)
        self._last = number
        self._backlog.append(record)
        self._ahead += record.size
        self._give_early(record, frames)
        self._pump()
        self._drop_hopeless()
        self._paused = self._ahead > self._bounds.ahead
        return not self._paused

    def forget(self, *, numbers_restart: bool) -> None:
        for subscriber in self._subscribers.values():
            subscriber.skip.clear()
            if subscriber.standing is Standing.WAITING:
                subscriber.standing = Standing.IN_STEP
                subscriber.position = self._last
        if numbers_restart:
            self._backlog.clear()
            self._last = self._step = self._ahead = 0
            self._durable.advance(Lane.IOPUB, 0)
            self._last_byte.restart()
            for subscriber in list(self._subscribers.values()):
                if subscriber.partial is not None:
                    subscriber.connection.close("the kernel was restarted in the middle of a message for it.")
                subscriber.position = 0
        self._journal.clear()
        self._pump()
        self._make_room()

    # subscribers -----------------------------------------------------------------------------------------------------

    def accepted(self, connection: Connection) -> None:
        subscriber = self._subscribers[connection] = Subscriber(connection)
        self.pairing.accepted(subscriber)

    def opened(self, connection: Connection) -> None: ...

    def message(self, connection: Connection, frames: list[bytes]) -> None:
        subscriber = self._subscribers[connection]
        subscriber.subscription(frames[0])
        if subscriber.standing is Standing.NEW and frames[0][:1] == b"\1":
            self._join(subscriber)

    def drained(self, connection: Connection) -> None:
        subscriber = self._subscribers[connection]
        subscriber.drained()
        if subscriber.standing is Standing.BEHIND:
            self._catch_up(subscriber)
        else:
            self._pump()

    def closed(self, connection: Connection) -> None:
        subscriber = self._subscribers.pop(connection)
        self.pairing.closed(subscriber)
        if subscriber.standing is not Standing.NEW:
            self._sessions.subscriber_closed(subscriber)
        if subscriber.slot is not None:
            subscriber.slot.free()
        subscriber.replay = None
        self._pump()

    def ready(self, session: Session) -> None:
        """A returned session has spoken: what it missed may flow."""
        subscriber = session.subscriber
        if subscriber is not None and subscriber.standing is Standing.WAITING:
            self._start(subscriber)

    def settle(self) -> None:
        """Take over what everybody has who must have it."""
        if self._settling:
            return
        self._settling = True
        try:
            self._settle()
        finally:
            self._settling = False

    def _settle(self) -> None:
        cursor = self.cursor
        floor = min(
            (each.position for each in self._subscribers.values() if self._counts(each, cursor)), default=cursor
        )
        if floor > cursor and self._safe(cursor, floor):
            self._durable.advance(Lane.IOPUB, floor)
            self._backlog.drop_through(floor)
            self._taken(floor)
        needed = min(self._needs(), default=None)
        if needed is None:
            self._journal.clear()
        else:
            self._journal.drop_through(needed)

    def _join(self, subscriber: Subscriber) -> None:
        process = subscriber.connection.process
        session = subscriber.session
        if self._expected[process]:
            subscriber.position = self._expected_after[process]
            subscriber.standing = Standing.BEHIND
        elif session is not None and session.needs_after is not None:
            self._inherit(subscriber, session, session.needs_after)
            if not self._sessions.is_returning(session):
                subscriber.standing = Standing.BEHIND
        elif session is None and (self._sessions.may_return or self._sessions.any_away):
            subscriber.position = self._last
            subscriber.standing = Standing.WAITING
            self._classify_later(subscriber)
        else:
            subscriber.position = self._last if self._somebody_knows_more() else self.cursor
            subscriber.standing = Standing.BEHIND
        name = session.identity if session is not None else b""
        subscriber.slot = self._durable.take(SlotKind.SUBSCRIBER, process, name=name, position=subscriber.position)
        if self._expected[process]:
            self._reunited(process)
        if subscriber.standing is Standing.BEHIND:
            self._catch_up(subscriber)

    def _somebody_knows_more(self) -> bool:
        """Whether records that are not taken over belong to somebody else already."""
        others = any(each.standing is not Standing.NEW for each in self._subscribers.values())
        return others or self._sessions.may_return or bool(self._expected)

    def _paired(self, subscriber: Subscriber, session: Session) -> None:
        if subscriber.standing is Standing.NEW:
            return
        if subscriber.slot is not None:
            position, slot = subscriber.position, subscriber.slot
            subscriber.slot = self._durable.take(
                SlotKind.SUBSCRIBER, subscriber.connection.process, name=session.identity, position=position
            )
            slot.free()
        if subscriber.standing is not Standing.WAITING:
            return
        if session.needs_after is not None:
            self._inherit(subscriber, session, session.needs_after)
        if not self._sessions.is_returning(session):
            self._start(subscriber)

    def _inherit(self, subscriber: Subscriber, session: Session, position: int) -> None:
        """It stands for its session from here on, at the session's position; it waits until the session speaks."""
        subscriber.position = position
        subscriber.skip = set(self._parked.given_early(session.identity))
        subscriber.standing = Standing.WAITING
        session.needs_after = None

    def _classify_later(self, subscriber: Subscriber) -> None:
        def classify() -> None:
            self._unclassified.discard(timer)
            if subscriber.session is None and subscriber.connection in self._subscribers:
                self._start(subscriber)

        left = subscriber.connection.accepted_at + PAIRING_SECONDS - self._loop.time()
        timer = self._loop.call_later(max(0.0, left), classify)
        self._unclassified.add(timer)

    def _start(self, subscriber: Subscriber) -> None:
        if subscriber.standing is Standing.WAITING:
            subscriber.standing = Standing.BEHIND
            self._catch_up(subscriber)

    # records go out --------------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Take the step as far as it goes now."""
        self._again = True
        if self._pumping:
            return
        self._pumping = True
        try:
            while self._again:
                self._again = False
                while self._reunion is None and (record := self._backlog.after(self._step)) is not None:
                    if not self._give_to_all(record):
                        break
                    self._step = record.number
                    self._ahead -= record.size
                self.settle()
        finally:
            self._pumping = False
        self._make_room()

    def _give_to_all(self, record: Record) -> bool:
        members = [each for each in self._subscribers.values() if each.standing is Standing.IN_STEP]
        lacking = [each for each in members if each.position < record.number]
        now = self._loop.time()
        for each in lacking:
            if not each.busy and each.partial is not record:
                each.give_body(record, now)
        if not any(each.busy for each in lacking):
            # Those that nobody claimed go first: should a kill fall between two subscribers of one process, which look
            # alike when they reconnect, then the one that hears the record twice is the server's own monitor.
            for each in sorted(lacking, key=lambda each: each.session is not None):
                if each.position < record.number:
                    each.give_tail(record, now, self._last_byte)
        if all(each.position >= record.number for each in members):
            return bool(members)
        self._watch_stalls()
        return False

    def _catch_up(self, subscriber: Subscriber) -> None:
        """Give one that is behind what it lacks, from the journal or from memory, until it is in step."""
        for _ in range(_RECORDS_IN_A_ROW):
            if subscriber.busy or subscriber.standing is not Standing.BEHIND:
                return
            if subscriber.position >= self._step:
                subscriber.standing = Standing.IN_STEP
                self._pump()
                return
            record = subscriber.partial or self._next_for(subscriber)
            if record is None:
                subscriber.position = self._step
            elif subscriber.partial is record:
                subscriber.give_tail(record, self._loop.time(), self._last_byte)
            else:
                subscriber.give_body(record, self._loop.time())
        self.settle()
        self._loop.call_soon(self._catch_up, subscriber)

    def _next_for(self, subscriber: Subscriber) -> Record | None:
        if subscriber.position < self.cursor:
            if subscriber.replay is None:
                subscriber.replay = self._journal.reader(subscriber.position)
            record = next(subscriber.replay, None)
            if record is not None:
                return record
        subscriber.replay = None
        return self._backlog.after(subscriber.position)

    def _give_early(self, record: Record, frames: Frames) -> None:
        """A server nudges the kernel and waits for the answer on iopub before it listens: see `nudges`."""
        waiting = [each for each in self._subscribers.values() if each.is_returning and not each.busy]
        at = header_index(frames) if waiting else None
        if at is None:
            return
        process = self._nudges.process_of(text_of(frames[at + 1], "msg_id"))
        for subscriber in waiting:
            if subscriber.connection.process == process and subscriber.session is not None:
                self._parked.give_early(subscriber.session.identity, record.number)
                subscriber.give_early(record, self._loop.time())

    def _make_room(self) -> None:
        if self._paused and self._ahead <= self._bounds.ahead // 2:
            self._paused = False
            self._room()

    # what is kept ----------------------------------------------------------------------------------------------------

    def _counts(self, subscriber: Subscriber, cursor: int) -> bool:
        """Whether its position holds back the cursor; one that reads from the journal does not."""
        known = subscriber.standing is not Standing.NEW and not subscriber.is_returning
        return known and subscriber.position >= cursor

    def _needs(self) -> list[int]:
        """Positions from which on the journal must be complete."""
        cursor = self.cursor
        reading = [
            each.position
            for each in self._subscribers.values()
            if each.standing is not Standing.NEW and (each.is_returning or each.position < cursor)
        ]
        return [*self._sessions.needs(), *self._expected_after.values(), *reading]

    def _safe(self, cursor: int, floor: int) -> bool:
        """Write to the journal what somebody who is not here needs."""
        if min(self._needs(), default=floor) >= floor:
            return True
        try:
            for record in self._backlog.between(max(cursor, self._journal.last), floor):
                self._journal.append(record)
        except OSError as problem:
            _log.error("Nothing can be kept for clients that are away: %s", problem.strerror)
            return not self._sessions.give_up_oldest("the disk takes no more")
        while self._journal.size > self._bounds.journal and self._sessions.give_up_oldest("too much came for it"):
            self._journal.drop_through(min(self._needs(), default=self._journal.last))
        return True

    # stalls and reunions ---------------------------------------------------------------------------------------------

    def _watch_stalls(self) -> None:
        if self._stall_timer is None:
            self._stall_timer = self._loop.call_later(self._bounds.stall_seconds, self._look_for_stalls)

    def _look_for_stalls(self) -> None:
        self._stall_timer = None
        long_ago = self._loop.time() - self._bounds.stall_seconds
        members = [each for each in self._subscribers.values() if each.standing is Standing.IN_STEP]
        stalled = [each for each in members if each.busy and each.writing_since <= long_ago]
        if len(stalled) < len(members):
            for subscriber in stalled:
                subscriber.standing = Standing.BEHIND
        if any(each.busy for each in members):
            self._watch_stalls()
        self._pump()

    def _drop_hopeless(self) -> None:
        if self._backlog.size <= self._bounds.behind:
            return
        for subscriber in list(self._subscribers.values()):
            if subscriber.standing is Standing.BEHIND and subscriber.position >= self.cursor:
                behind = self._backlog.size_after(subscriber.position) - self._ahead
                if behind > self._bounds.behind:
                    subscriber.connection.close(
                        "it does not read what the kernel says, and too much is waiting for it."
                    )

    def _expect(self) -> None:
        for each in self._left:
            self._expected[each.process] += 1
            known = self._expected_after.get(each.process, each.position)
            self._expected_after[each.process] = min(known, each.position)
        if self._expected:
            self._reunion = self._loop.call_later(self._bounds.reunion_seconds, self._reunion_over)

    def _reunited(self, process: Process) -> None:
        self._expected[process] -= 1
        back = next(each for each in self._left if each.process == process)
        self._left.remove(back)
        back.slot.free()
        if not self._expected[process]:
            del self._expected[process], self._expected_after[process]
            self._sessions.subscribers_back(process)
        if not self._expected and self._reunion is not None:
            self._reunion.cancel()
            self._reunion_over()

    def _reunion_over(self) -> None:
        self._reunion = None
        for each in self._left:
            each.slot.free()
        self._left.clear()
        missing, self._expected = list(self._expected), Counter()
        self._expected_after.clear()
        for process in missing:
            if process.alive:
                self._sessions.subscribers_back(process)
        self._pump()
