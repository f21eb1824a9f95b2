"""shell, control and stdin: requests go up at once, replies go to the client that the first frame names.

Replies of a lane are handed on strictly in order, so that one number says it all. What cannot be handed on now, because
its client is away, returning or stalled, is parked on disk and no longer stands in the way of the others. What was
handed to a server that gives receipts is kept until it has given one, and parked if it dies first.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from jupyter_gpu_bridge.machine.facade.connection import Connection
from jupyter_gpu_bridge.machine.facade.durable import Durable, Slot, SlotKind, cursor_word, parked_word, taken_word
from jupyter_gpu_bridge.machine.facade.last_byte import LastByte
from jupyter_gpu_bridge.machine.facade.parked import Parked
from jupyter_gpu_bridge.machine.facade.processes import Process
from jupyter_gpu_bridge.machine.facade.receipts import Stamp, stamped_reply
from jupyter_gpu_bridge.machine.facade.session import Presence, Session
from jupyter_gpu_bridge.machine.facade.sessions import Sessions
from jupyter_gpu_bridge.machine.facade.unreceipted import Given, Unreceipted
from jupyter_gpu_bridge.machine.facade.zmtp import Frames, Wire, encode, split
from jupyter_gpu_bridge.model import Lane

_log = logging.getLogger(__name__)
_AHEAD = 8 << 20
_STALL_SECONDS = 0.2
_MOST_PARKED_FOR_ONE = 64 << 20
_NAMELESS_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _Reply:
    number: int
    identity: bytes
    wire: Wire
    size: int


@dataclass(slots=True)
class _Partial:
    """A reply of which a client was given all but the last byte."""

    number: int
    wire: Wire
    tail: bytes
    is_parked: bool


class Replies:
    """One lane."""

    def __init__(
        self,
        lane: Lane,
        durable: Durable,
        parked: Parked,
        sessions: Sessions,
        *,
        upward: Callable[[Connection, list[bytes]], None],
        claimed: Callable[[Connection, Session], None],
        taken: Callable[[int], None],
        room: Callable[[], None],
        awaiting: Callable[[], None],
        most_unreceipted: int,
    ) -> None:
        """`awaiting`: somebody owes a receipt, so `settle` should be called again soon."""
        self._lane = lane
        self._durable = durable
        self._parked = parked
        self._sessions = sessions
        self._upward = upward
        self._claimed = claimed
        self._taken = taken
        self._room = room
        self._awaiting = awaiting
        self._most_unreceipted = most_unreceipted
        self._unreceipted = Unreceipted()
        self._loop = asyncio.get_running_loop()
        self._peers: dict[bytes, Connection] = {}
        self._nameless: dict[Connection, Slot] = {}
        self._queue: deque[_Reply] = deque()
        self._queued = 0
        self._last = durable.taken(lane)
        self._last_byte = LastByte(durable)
        self._last_parked_byte = LastByte(durable)
        self._in_flight: Connection | None = None
        """To whom the head of the queue is partly written."""
        self._partials: dict[Connection, _Partial] = {}
        self._stall_timer: asyncio.TimerHandle | None = None
        self._paused = False
        self._pumping = self._again = False
        parked.was_handed_on(lane, durable.words[parked_word(lane)])
        self._orphans = self._nameless_left_behind()
        self._orphans_over = self._loop.call_later(_NAMELESS_SECONDS, self._forget_orphans)

    @property
    def count(self) -> int:
        return len(self._peers)

    def close(self) -> None:
        self._orphans_over.cancel()
        if self._stall_timer is not None:
            self._stall_timer.cancel()
        self._last_byte.close()
        self._last_parked_byte.close()

    def deliver(self, number: int, frames: Frames) -> bool:
        if number <= self._last:
            return not self._paused
        if number != self._last + 1:
            _log.warning("%s records %d to %d were lost on the far side.", self._lane.value, self._last + 1, number - 1)
        self._last = number
        wire = encode(frames[1:])
        reply = _Reply(number, bytes(frames[0]) if frames else b"", wire, _size(wire))
        if number <= self._durable.cursor(self._lane):
            # The process before this one handed it on; it came again because a receipt is missing.
            self._keep_again(reply.identity, number, wire)
            self.settle()
            return not self._paused
        self._queue.append(reply)
        self._queued += reply.size
        self._pump()
        # Only `room` ends a pause: whoever was told to wait waits for that.
        self._paused = self._paused or self._queued > _AHEAD
        return not self._paused

    # connections -----------------------------------------------------------------------------------------------------

    def accepted(self, connection: Connection) -> None: ...

    def opened(self, connection: Connection) -> None:
        if not connection.identity:
            self._name(connection)
            self._peers[connection.identity] = connection
        else:
            self._peers[connection.identity] = connection
            session = self._sessions.opened(self._lane, connection)
            if self._lane is Lane.SHELL and session.subscriber is None:
                self._claimed(connection, session)
        self.flush(connection.identity)

    def message(self, connection: Connection, frames: list[bytes]) -> None:
        session = self._sessions.get(connection.identity)
        if session is not None and self._lane is not Lane.STDIN:
            self._sessions.spoke(session)
        self._upward(connection, [connection.identity, *frames])

    def drained(self, connection: Connection) -> None:
        partial = self._partials.get(connection)
        if partial is None or not self._complete(connection, partial):
            return
        if partial.is_parked:
            self._parked_handed_on(connection.identity, partial.number)
            self.flush(connection.identity)
        else:
            self._keep(connection.identity, partial.number, partial.wire)
            self._handed_on()
        self._pump()

    def closed(self, connection: Connection) -> None:
        identity = connection.identity
        slot = self._nameless.pop(connection, None)
        self._partials.pop(connection, None)
        if self._in_flight is connection:
            # Partly written: the client discards that, and it is handed on again in full, or parked, or dropped.
            self._in_flight = None
        if self._peers.get(identity) is connection:
            del self._peers[identity]
        if slot is not None:
            slot.free()
            self._parked.forget([identity])
        else:
            self._sessions.closed(self._lane, connection)
        self._pump()

    def flush(self, identity: bytes) -> None:
        """Hand on what was parked for a client, if it is there and may have it."""
        connection = self._peers.get(identity)
        if connection is None or not connection.is_open or not self._may_have(identity):
            return
        for held in self._parked.waiting(identity, self._lane):
            if connection in self._partials:
                return
            wire = self._parked.wire(identity, self._lane, held.number)
            if not self._write(connection, held.number, wire, is_parked=True):
                return
            self._parked_handed_on(identity, held.number)

    # receipts --------------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Take over what everybody has who must have it."""
        for identity in self._unreceipted:
            session = self._sessions.get(identity)
            if session is None or session.receipts is None:
                self._unreceipted.take(identity)
            else:
                self._unreceipted.received(identity, session.receipts.number(self._lane))
        for identity in self._parked.borrowers(self._lane):
            session = self._sessions.get(identity)
            self._parked.received(identity, self._lane, self._received(session))
        while self._unreceipted.cost > self._most_unreceipted:
            self._unreceipted.drop_oldest()
        taken = self._durable.taken(self._lane)
        lowest = self._unreceipted.lowest(taken)
        # After a restart of ours the cursor is ahead of what has come again.
        floor = min(self._durable.cursor(self._lane), self._last) if lowest is None else lowest - 1
        if self._unreceipted or self._parked.borrowers(self._lane):
            self._awaiting()
        if floor > taken:
            self._durable.words[taken_word(self._lane)] = floor
            self._taken(floor)

    def left(self, session: Session) -> None:
        """Its process died: what it gave no receipt for is given again when it is back."""
        received = self._received(session)
        # What it says was handed on; now it may have to be handed on again.
        self._durable.words[parked_word(self._lane)] = 0
        self._parked.received(session.identity, self._lane, received)
        self._parked.take_back(session.identity, self._lane)
        for given in self._unreceipted.take(session.identity):
            if given.number > received:
                self._put_away(session.identity, given.number, given.wire)

    def _keep_again(self, identity: bytes, number: int, wire: Wire) -> None:
        """As `_keep`; but if the server that it was handed to is dead, and the next one is there, that one lacks it."""
        session = self._sessions.get(identity)
        if self._parked.holds(identity, self._lane, number):
            return
        if session is None or not session.is_inherited or self._unreceipted.holds(identity, number):
            self._keep(identity, number, wire)
        elif session.receipts is not None and number > session.receipts.number(self._lane):
            self._put_away(identity, number, wire)
            self.flush(identity)

    def _keep(self, identity: bytes, number: int, wire: Wire) -> None:
        """Until there is a receipt for it, if its client gives any."""
        session = self._sessions.get(identity)
        if session is None or session.receipts is None or number <= session.receipts.number(self._lane):
            return
        if session.presence is Presence.AWAY:
            self._put_away(identity, number, wire)
        else:
            self._unreceipted.add(identity, Given(number, wire, _size(wire)))

    def _parked_handed_on(self, identity: bytes, number: int) -> None:
        """It stays on disk until there is a receipt for it, if its client gives any."""
        session = self._sessions.get(identity)
        if number <= self._received(session):
            self._parked.handed_on(identity, self._lane, number)
        elif session is not None and session.presence is not Presence.AWAY:
            self._parked.lend(identity, self._lane, number)
            self._awaiting()

    def _received(self, session: Session | None) -> int:
        """Up to where a client has what it was handed; all of it, if it gives no receipts."""
        return sys.maxsize if session is None or session.receipts is None else session.receipts.number(self._lane)

    # replies go out --------------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        self._again = True
        if self._pumping:
            return
        self._pumping = True
        try:
            while self._again:
                self._again = False
                while self._queue and self._in_flight is None:
                    self._hand_on(self._queue[0])
        finally:
            self._pumping = False
        if self._paused and self._queued <= _AHEAD // 2:
            self._paused = False
            self._room()

    def _hand_on(self, reply: _Reply) -> None:
        connection = self._peers.get(reply.identity)
        is_there = connection is not None and connection.is_open and self._may_have(reply.identity)
        must_wait = connection in self._partials or self._parked.waiting(reply.identity, self._lane)
        if connection is not None and is_there and not must_wait:
            if self._write(connection, reply.number, reply.wire, is_parked=False):
                self._keep(reply.identity, reply.number, reply.wire)
                self._handed_on()
                return
            self._in_flight = connection
            self._stall_timer = self._loop.call_later(_STALL_SECONDS, self._stall, reply)
        elif (
            connection is not None or self._sessions.get(reply.identity) is not None or reply.identity in self._orphans
        ):
            self._park(reply)
        else:
            _log.debug("A reply on %s is for a client that is gone.", self._lane.value)
            self._handed_on()

    def _write(self, connection: Connection, number: int, wire: Wire, *, is_parked: bool) -> bool:
        session = self._sessions.get(connection.identity)
        has_receipts = session is not None and session.receipts is not None
        body, tail = split(stamped_reply(wire, Stamp(number)) if has_receipts else wire)
        partial = self._partials[connection] = _Partial(number, wire, tail, is_parked)
        return connection.write(body) and self._complete(connection, partial)

    def _complete(self, connection: Connection, partial: _Partial) -> bool:
        """The last byte, which moves the cursor."""
        last_byte = self._last_parked_byte if partial.is_parked else self._last_byte
        word = parked_word(self._lane) if partial.is_parked else cursor_word(self._lane)
        if not last_byte.send(connection, partial.tail, partial.number, word):
            return False
        del self._partials[connection]
        return True

    def _may_have(self, identity: bytes) -> bool:
        session = self._sessions.get(identity)
        return session is None or not self._sessions.is_returning(session)

    def _handed_on(self) -> None:
        reply = self._queue.popleft()
        self._queued -= reply.size
        self._in_flight = None
        self._durable.advance(self._lane, reply.number)
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None
        self.settle()

    def _stall(self, reply: _Reply) -> None:
        """Its client is slow: keep the reply on disk and let those for others pass."""
        self._stall_timer = None
        if self._in_flight is not None and self._queue and self._queue[0] is reply:
            self._partials[self._in_flight].is_parked = True
            self._park(reply)
            self._pump()

    def _park(self, reply: _Reply) -> None:
        self._put_away(reply.identity, reply.number, reply.wire)
        self._handed_on()
        connection = self._peers.get(reply.identity)
        waiting = sum(held.size for held in self._parked.waiting(reply.identity, self._lane))
        if connection is not None and waiting > _MOST_PARKED_FOR_ONE:
            connection.close("it does not read the replies that it asked for.")

    def _put_away(self, identity: bytes, number: int, wire: Wire) -> None:
        try:
            self._parked.park(identity, self._lane, number, wire)
        except OSError as problem:
            _log.error("A reply for a client that is away is lost: %s", os.strerror(problem.errno or 0))

    # clients without a name ------------------------------------------------------------------------------------------

    def _nameless_left_behind(self) -> dict[bytes, Process]:
        left: dict[bytes, Process] = {}
        for slot in list(self._durable.slots(SlotKind.NAMELESS)):
            if slot.state == _number_of(self._lane):
                if slot.process.alive:
                    left[slot.name] = slot.process
                slot.free()
        return left

    def _name(self, connection: Connection) -> None:
        """A name nobody else has; or, after a restart of ours, the old one when there is no doubt whose it was."""
        mine = [name for name, process in self._orphans.items() if process == connection.process]
        connection.identity = mine[0] if len(mine) == 1 else b"\0" + os.urandom(8)
        self._orphans.pop(connection.identity, None)
        self._nameless[connection] = self._durable.take(
            SlotKind.NAMELESS, connection.process, name=connection.identity, state=_number_of(self._lane)
        )

    def _forget_orphans(self) -> None:
        self._parked.forget(self._orphans)
        self._orphans = {}


def _size(wire: Wire) -> int:
    return sum(memoryview(part).nbytes for part in wire)


def _number_of(lane: Lane) -> int:
    return list(Lane).index(lane)
