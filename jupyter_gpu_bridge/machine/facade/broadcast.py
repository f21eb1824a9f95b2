"""iopub: every subscriber gets every record once and in order.

Subscribers move in step: the next record is begun when the last was accepted for all of them, so that their positions
differ by one record at most, whenever this process ends. A subscriber that stalls leaves the step and catches up alone.
`taken` means: handed on to every subscriber, and in the journal for every session that is away. Where a server gives
receipts, handed on means that the page has it; until then the record is kept here, and is not acknowledged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from jupyter_gpu_bridge.machine.facade.backlog import Backlog, Record
from jupyter_gpu_bridge.machine.facade.bounds import Bounds
from jupyter_gpu_bridge.machine.facade.connection import Connection
from jupyter_gpu_bridge.machine.facade.durable import Durable, SlotKind
from jupyter_gpu_bridge.machine.facade.execution import header_index, text_of
from jupyter_gpu_bridge.machine.facade.floor import Floor
from jupyter_gpu_bridge.machine.facade.journal import Journal
from jupyter_gpu_bridge.machine.facade.last_byte import LastByte
from jupyter_gpu_bridge.machine.facade.nudges import Nudges
from jupyter_gpu_bridge.machine.facade.pairing import SECONDS as PAIRING_SECONDS
from jupyter_gpu_bridge.machine.facade.pairing import Pairing
from jupyter_gpu_bridge.machine.facade.parked import Parked
from jupyter_gpu_bridge.machine.facade.receipts import Receipts
from jupyter_gpu_bridge.machine.facade.reunion import Reunion
from jupyter_gpu_bridge.machine.facade.session import LeftBehind, Session
from jupyter_gpu_bridge.machine.facade.sessions import Sessions
from jupyter_gpu_bridge.machine.facade.subscriber import Standing, Subscriber
from jupyter_gpu_bridge.machine.facade.zmtp import Frames, encode
from jupyter_gpu_bridge.model import Lane

_log = logging.getLogger(__name__)
_RECORDS_IN_A_ROW = 64
_NOTICE_AGAIN_SECONDS = 0.1


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
        notice: Callable[[str], Frames] | None,
        welcome: Callable[[bytes], Frames] | None,
        awaiting: Callable[[], None],
    ) -> None:
        """`awaiting`: somebody owes a receipt, so `settle` should be called again soon."""
        self._durable = durable
        self._journal = journal
        self._parked = parked
        self._sessions = sessions
        self._nudges = nudges
        self._bounds = bounds
        self._room = room
        self._notice = notice
        self._welcome = welcome
        self._loop = asyncio.get_running_loop()
        self._backlog = Backlog()
        self._last_byte = LastByte(durable)
        self._last = self._step = durable.cursor(Lane.IOPUB)
        self._ahead = 0
        self._paused = False
        self._pumping = self._again = False
        self._stall_timer: asyncio.TimerHandle | None = None
        self._unclassified: set[asyncio.TimerHandle] = set()
        self._subscribers: dict[Connection, Subscriber] = {}
        self.pairing = Pairing(self._paired)
        self._reunion = Reunion(left, sessions, bounds.reunion_seconds, complete=self._pump)
        self._floor = Floor(
            durable,
            journal,
            self._backlog,
            sessions,
            self._reunion,
            bounds,
            subscribers=self._subscribers.values(),
            taken=taken,
            awaiting=awaiting,
        )

    @property
    def count(self) -> int:
        return sum(each.standing is not Standing.NEW for each in self._subscribers.values())

    def close(self) -> None:
        for timer in (self._stall_timer, *self._unclassified):
            if timer is not None:
                timer.cancel()
        self._reunion.cancel()
        self._last_byte.close()

    # records come in -------------------------------------------------------------------------------------------------

    def deliver(self, number: int, frames: Frames, age: float) -> bool:
        if number <= self._last:
            return not self._paused
        if number != self._last + 1:
            _log.warning("iopub records %d to %d were lost on the far side.", self._last + 1, number - 1)
        record = Record.of(number, frames, age)
        self._last = number
        self._backlog.append(record)
        self._ahead += record.size
        self._give_early(record, frames)
        self._pump()
        self._drop_hopeless()
        # Only `room` ends a pause: whoever was told to wait waits for that.
        self._paused = self._paused or self._ahead > self._bounds.ahead
        return not self._paused

    def forget(self) -> None:
        for subscriber in self._subscribers.values():
            subscriber.skip.clear()
            if subscriber.standing is Standing.WAITING:
                subscriber.position = self._last
                self._start(subscriber)
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
        if frames[0][:1] == b"\1" and (name := Receipts.session_in(frames[0][1:])):
            self.pairing.named(subscriber, name)
            self._recognize(subscriber)
            return
        if subscriber.standing is Standing.NEW and frames[0][:1] == b"\1":
            if self._welcome is not None:
                subscriber.give_notice(encode(self._welcome(frames[0][1:])))
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
        if session.subscriber is not None:
            self._tell_what_is_lost(session.subscriber)
            self._start(session.subscriber)

    def settle(self) -> None:
        """Take over what everybody has who must have it."""
        self._floor.rise(self._step)

    def insist(self) -> None:
        """Let go of some that lack a receipt, when they are too many."""
        if self._backlog.cost - self._ahead > self._bounds.unreceipted:
            self._floor.insist(self._step)
            self.settle()

    def _join(self, subscriber: Subscriber) -> None:
        process = subscriber.connection.process
        session = subscriber.session
        expected = self._reunion.position_of(process)
        if expected is not None:
            subscriber.position = expected
            subscriber.is_reunited = True
            subscriber.standing = Standing.BEHIND
            if session is not None:
                session.needs_after = None
            elif self._sessions.awaits_name(process):
                # What it is given before it has said its name would bear no stamp, and nobody would ask for a receipt.
                subscriber.standing = Standing.WAITING
                self._classify_later(subscriber)
        elif session is not None and session.needs_after is not None:
            self._inherit(subscriber, session, session.needs_after)
            if not self._sessions.is_returning(session):
                subscriber.standing = Standing.BEHIND
        elif session is None and (self._sessions.may_return or self._sessions.any_away):
            subscriber.position = self._last
            subscriber.standing = Standing.WAITING
            self._classify_later(subscriber)
        else:
            subscriber.position = self._last if self._somebody_knows_more() else self._floor.number
            subscriber.standing = Standing.BEHIND
        name = session.identity if session is not None else b""
        subscriber.slot = self._durable.take(SlotKind.SUBSCRIBER, process, name=name, position=subscriber.position)
        if expected is not None:
            self._reunion.came(process)
        if subscriber.standing is Standing.BEHIND:
            self._tell_what_is_lost(subscriber)
            self._catch_up(subscriber)

    def _recognize(self, subscriber: Subscriber) -> None:
        """By its name alone, although its session's other sockets may not be back yet."""
        session = self._sessions.get(subscriber.name)
        if session is None or session.subscriber is not None or session.needs_after is None:
            return
        if self._reunion.knows(subscriber.connection.process, session.identity):
            self.pairing.reunite(subscriber, session)

    def _tell_what_is_lost(self, subscriber: Subscriber) -> None:
        """To a client that has come back too late; between two records, so not when it is in the middle of one."""
        session = subscriber.session
        if self._notice is None or session is None or session.subscriber is not subscriber:
            return
        if not session.missed_too_much:
            return
        if subscriber.busy or subscriber.partial is not None:
            self._loop.call_later(_NOTICE_AGAIN_SECONDS, self._tell_what_is_lost, subscriber)
            return
        session.missed_too_much = False
        subscriber.give_notice(encode(self._notice("Output was lost: this client was away for too long.")))

    def _somebody_knows_more(self) -> bool:
        """Whether records that are not taken over belong to somebody else already."""
        others = any(each.standing is not Standing.NEW for each in self._subscribers.values())
        return others or self._sessions.may_return or self._reunion.is_on

    def _paired(self, subscriber: Subscriber, session: Session) -> None:
        if subscriber.standing is Standing.NEW:
            return
        known = self._reunion.take_named(subscriber.connection.process, session.identity)
        # Of one process, but not of this session, may have been the subscriber that it was taken for.
        subscriber.is_reunited &= not session.is_inherited
        if known is not None and session.needs_after is not None:
            subscriber.is_reunited = True
            if subscriber.standing is Standing.WAITING:
                subscriber.position = known
        if subscriber.slot is not None:
            position, slot = subscriber.position, subscriber.slot
            subscriber.slot = self._durable.take(
                SlotKind.SUBSCRIBER, subscriber.connection.process, name=session.identity, position=position
            )
            slot.free()
        is_new = session.needs_after is None
        if is_new and session.receipts is not None and not session.receipts.has_begun(Lane.IOPUB):
            # What this subscriber got before it was known whose it is, was for nobody.
            session.receipts.store(Lane.IOPUB, subscriber.position)
        if subscriber.is_reunited:
            session.needs_after = None
        if subscriber.standing is Standing.WAITING and session.needs_after is not None:
            self._inherit(subscriber, session, session.needs_after)
        if not self._sessions.is_returning(session):
            self._tell_what_is_lost(subscriber)
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
            if subscriber.session is not None or subscriber.connection not in self._subscribers:
                return
            owner = self._sessions.get(subscriber.name)
            if owner is not None and owner.needs_after is not None:
                # Its session's other sockets are slow to come: what it missed must come before anything newer.
                self._classify_later(subscriber)
            else:
                self._start(subscriber)

        timer = self._loop.call_later(PAIRING_SECONDS, classify)
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
                while not self._reunion.is_on and (record := self._backlog.after(self._step)) is not None:
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
        if subscriber.position < self._floor.number:
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

    # stalls ----------------------------------------------------------------------------------------------------------

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
        if self._backlog.size - self._ahead <= self._bounds.behind:
            return
        # All that memory is held for the last of them: the backlog begins where the lowest position is.
        behind = [each for each in self._subscribers.values() if each.standing is Standing.BEHIND]
        last = min(
            (each for each in behind if each.position >= self._floor.number),
            key=lambda each: each.position,
            default=None,
        )
        if last is not None:
            last.connection.close("it does not read what the kernel says, and too much is waiting for it.")
