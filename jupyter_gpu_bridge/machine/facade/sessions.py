"""Who the clients are: a session is a name that a client gives its sockets, and it may outlive its process.

A Jupyter server names the shell, control and stdin sockets of a websocket after the browser's session. When the server
dies, that session is **away** and what arrives for it is kept; when a new server opens sockets of the same name, it is
**returning**, and once it has spoken it is given what it missed. A socket that is closed while its process lives on was
closed on purpose: that session is over.

How far it was when its server died, its receipts tell, where there are any: see `receipts`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator

from jupyter_gpu_bridge.machine.facade.connection import Connection
from jupyter_gpu_bridge.machine.facade.durable import Durable, SlotKind
from jupyter_gpu_bridge.machine.facade.parked import Parked
from jupyter_gpu_bridge.machine.facade.processes import Process
from jupyter_gpu_bridge.machine.facade.receipts import Receipts
from jupyter_gpu_bridge.machine.facade.session import LeftBehind, Presence, Session
from jupyter_gpu_bridge.machine.facade.subscriber import Subscriber
from jupyter_gpu_bridge.model import Lane

_log = logging.getLogger(__name__)
_DEATH_SECONDS = 1.0
"""A killed process closes its sockets a little before it is seen to be dead."""
_LEAVING_SECONDS = 15.0
_DEATH_CHECK_SECONDS = 0.02
_RECONNECT_SECONDS = 10.0
_SILENCE_SECONDS = 60.0
"""A returning client that never speaks is taken as ready after this time; the server's own patience is as long."""
_MOST_SESSIONS = 128


class Sessions:
    def __init__(
        self,
        durable: Durable,
        parked: Parked,
        *,
        keep_seconds: float,
        receipts: Callable[[bytes, Process], Receipts | None],
        kept_after: Callable[[], int],
        ready: Callable[[Session], None],
        left: Callable[[Session], None],
        released: Callable[[], None],
    ) -> None:
        """`kept_after`: the iopub records up to there nobody has any more.

        `left`: its process died. `ready`: it is back and has spoken. `released`: nothing is kept for it any more.
        """
        self._durable = durable
        self._parked = parked
        self._keep_seconds = keep_seconds
        self._receipts = receipts
        self._kept_after = kept_after
        self._ready = ready
        self._left = left
        self._released = released
        self._sessions: dict[bytes, Session] = {}
        self.server_is_leaving = False
        """A server that exits closes its sockets in good order a while before its process ends."""
        self._timers: set[asyncio.TimerHandle] = set()

    # what others ask -------------------------------------------------------------------------------------------------

    def get(self, identity: bytes) -> Session | None:
        session = self._sessions.get(identity)
        return None if session is None or session.presence is Presence.GIVEN_UP else session

    def needs(self) -> Iterator[int]:
        return (each.needs_after for each in self._sessions.values() if each.needs_after is not None)

    @property
    def any_away(self) -> bool:
        return self.away > 0 or any(each.presence is Presence.RETURNING for each in self._sessions.values())

    @property
    def may_return(self) -> bool:
        """Whether a new subscriber could belong to a session that missed something."""
        return any(each.needs_after is not None for each in self._sessions.values())

    def is_returning(self, session: Session) -> bool:
        return session.presence is Presence.RETURNING

    @property
    def present(self) -> int:
        return sum(each.presence in (Presence.PRESENT, Presence.RETURNING) for each in self._sessions.values())

    @property
    def away(self) -> int:
        return sum(each.presence is Presence.AWAY for each in self._sessions.values())

    # what happens ----------------------------------------------------------------------------------------------------

    def restore(self, left: list[LeftBehind]) -> None:
        """Take over the sessions that the process before this one knew."""
        for slot in list(self._durable.slots(SlotKind.SESSION)):
            session = Session(slot)
            self._sessions[session.identity] = session
            session.receipts = self._receipts(session.identity, session.process)
            if session.presence is Presence.GIVEN_UP:
                continue
            if session.presence is Presence.AWAY:
                self._expire_later(session)
                continue
            positions = [each.position for each in left if each.session == session.identity] or [
                each.position for each in left if each.process == session.process
            ]
            if positions:
                session.needs_after = self._received(session, min(positions))
            if session.process.alive:
                session.presence = Presence.EXPECTED
                self._later(_RECONNECT_SECONDS, self._reconnect_over, session)
            else:
                self._went_away(session)

    def opened(self, lane: Lane, connection: Connection) -> Session:
        """A client with a name has connected."""
        session = self._sessions.get(connection.identity)
        if session is None:
            session = self._new(connection)
        elif session.process != connection.process:
            self._moved(session, connection.process)
        elif session.presence is Presence.LOSING:
            session.presence, session.needs_after = Presence.PRESENT, None
            self._released()
        elif session.presence is Presence.EXPECTED:
            session.presence = Presence.PRESENT
        before = session.peers.get(lane)
        session.peers[lane] = connection
        if before is not None and before is not connection:
            before.close()
        return session

    def closed(self, lane: Lane, connection: Connection) -> None:
        session = self._sessions.get(connection.identity)
        if session is None or session.peers.get(lane) is not connection:
            return
        del session.peers[lane]
        if not session.peers and session.presence in (Presence.PRESENT, Presence.RETURNING):
            if session.presence is Presence.RETURNING and session.subscriber is not None:
                session.needs_after = session.subscriber.settled
            self._losing(session)

    def subscriber_closed(self, subscriber: Subscriber) -> None:
        """Remember how far it was, until it is known whether its process died."""
        for session in self._owners(subscriber):
            settled, session.subscriber = subscriber.settled, None
            known = session.needs_after
            session.needs_after = settled if known is None else min(known, settled)
            if session.presence in (Presence.PRESENT, Presence.RETURNING):
                self._losing(session)

    def subscribers_back(self, process: Process) -> None:
        """All subscribers of a process have reconnected to this new process of ours: they stand for its sessions.

        But of one that gives receipts more may be missing than its subscriber, which is not known yet, has been given.
        """
        for session in self._of(process):
            if session.presence in (Presence.PRESENT, Presence.EXPECTED) and session.receipts is None:
                session.needs_after = None
        self._released()

    def awaits_name(self, process: Process) -> bool:
        """Whether a subscriber of that process will probably say whose it is."""
        return any(each.receipts is not None and each.subscriber is None for each in self._of(process))

    def spoke(self, session: Session) -> None:
        if session.presence is Presence.RETURNING:
            session.presence = Presence.PRESENT
            _log.info("A client has returned; it is given what it missed.")
            self._ready(session)
            if session.subscriber is None:
                self._later(_RECONNECT_SECONDS, self._nobody_claimed, session)

    def give_up_oldest(self, why: str) -> bool:
        """Make room: of those that are away, the one that left first; False when nobody is."""
        away = [each for each in self._sessions.values() if each.presence is Presence.AWAY]
        if not away:
            return False
        self._give_up(min(away, key=lambda each: each.away_since), why)
        return True

    def forget(self) -> None:
        """Those that are away missed something of a kernel that is no more."""
        for session in list(self._sessions.values()):
            session.needs_after = None
            if session.presence in (Presence.AWAY, Presence.GIVEN_UP):
                self._over(session)
        self._parked.clear()
        self._released()

    def close(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for session in self._sessions.values():
            session.receive_from(None)

    # one session -----------------------------------------------------------------------------------------------------

    def _new(self, connection: Connection) -> Session:
        if len(self._sessions) >= _MOST_SESSIONS:
            gone = [each for each in self._sessions.values() if each.presence is Presence.GIVEN_UP]
            if gone or self.give_up_oldest("too many clients are away"):
                for each in gone or [each for each in self._sessions.values() if each.presence is Presence.GIVEN_UP]:
                    self._over(each)
        slot = self._durable.take(
            SlotKind.SESSION, connection.process, name=connection.identity, state=Presence.PRESENT
        )
        session = self._sessions[connection.identity] = Session(slot)
        session.receipts = self._receipts(session.identity, connection.process)
        return session

    def _moved(self, session: Session, process: Process) -> None:
        """The same name from another process: its heir if the old one is dead, else somebody who takes over."""
        for connection in list(session.peers.values()):
            connection.close()
        self._part(session)
        inherits = not session.process.alive
        if inherits and session.presence not in (Presence.AWAY, Presence.GIVEN_UP):
            self._bereft(session)
        session.missed_too_much |= session.presence is Presence.GIVEN_UP
        session.process = process
        session.receive_from(self._receipts(session.identity, process))
        if not inherits:
            session.needs_after = None
            session.presence = Presence.PRESENT
            self._released()
            return
        session.is_inherited = True
        session.presence = Presence.RETURNING
        self._later(_SILENCE_SECONDS, self._speak_for, session)

    def _losing(self, session: Session) -> None:
        session.presence = Presence.LOSING
        patience = _LEAVING_SECONDS if self.server_is_leaving else _DEATH_SECONDS
        self._decide(session, asyncio.get_running_loop().time() + patience)

    def _decide(self, session: Session, deadline: float) -> None:
        if session.presence is not Presence.LOSING:
            return
        if not session.process.alive:
            self._went_away(session)
        elif asyncio.get_running_loop().time() < deadline:
            self._later(_DEATH_CHECK_SECONDS, self._decide, session, deadline)
        elif session.peers:
            session.presence, session.needs_after = Presence.PRESENT, None
            self._released()
        else:
            self._over(session)
            self._released()

    def _went_away(self, session: Session) -> None:
        self._part(session)
        self._bereft(session)
        session.went_away(int(time.time()))
        self._expire_later(session)
        _log.info("A client's process has ended; what arrives for it is kept.")

    def _part(self, session: Session) -> None:
        """From its subscriber, whose process is dead or was left."""
        subscriber = session.subscriber
        if subscriber is None:
            return
        if session.needs_after is None:
            session.needs_after = subscriber.settled
        session.subscriber = subscriber.session = None

    def _bereft(self, session: Session) -> None:
        """Its process has died; so its receipts have the last word on how far it was."""
        if session.receipts is not None and session.needs_after is not None:
            received = session.receipts.number(Lane.IOPUB)
            session.missed_too_much |= session.receipts.has_begun(Lane.IOPUB) and received < session.needs_after
            session.needs_after = max(received, session.needs_after)
        self._left(session)

    def _received(self, session: Session, position: int) -> int:
        """How far a session is whose sockets had taken what is up to `position`."""
        if session.receipts is None:
            return position
        return max(self._kept_after(), min(position, session.receipts.number(Lane.IOPUB)))

    def _expire_later(self, session: Session) -> None:
        since = session.away_since
        left = max(0.0, since + self._keep_seconds - time.time())

        def expire() -> None:
            if session.presence is Presence.AWAY and session.away_since == since:
                self._give_up(session, "it was away for too long")

        self._later(left, expire)

    def _give_up(self, session: Session, why: str) -> None:
        _log.warning("What was kept for a client that is away is thrown away: %s.", why)
        session.presence, session.needs_after = Presence.GIVEN_UP, None
        self._parked.forget([session.identity])
        self._released()

    def _reconnect_over(self, session: Session) -> None:
        if session.presence is not Presence.EXPECTED:
            if session.presence is Presence.PRESENT and session.needs_after is not None:
                session.needs_after = None
                self._released()
            return
        if session.process.alive:
            self._over(session)
            self._released()
        else:
            self._went_away(session)

    def _nobody_claimed(self, session: Session) -> None:
        if session.presence is Presence.PRESENT and session.subscriber is None and session.needs_after is not None:
            session.needs_after = None
            self._released()

    def _speak_for(self, session: Session) -> None:
        if session.presence is Presence.RETURNING:
            self.spoke(session)

    def _over(self, session: Session) -> None:
        if self._sessions.get(session.identity) is session:
            del self._sessions[session.identity]
        if session.subscriber is not None:
            session.subscriber.session = None
        self._parked.forget([session.identity])
        session.free()

    def _owners(self, subscriber: Subscriber) -> list[Session]:
        if subscriber.session is not None:
            return [subscriber.session]
        return [each for each in self._of(subscriber.connection.process) if each.subscriber is None]

    def _of(self, process: Process) -> list[Session]:
        lost = (Presence.AWAY, Presence.GIVEN_UP)
        return [each for each in self._sessions.values() if each.process == process and each.presence not in lost]

    def _later(self, seconds: float, what: Callable[..., None], *arguments: object) -> None:
        def run() -> None:
            self._timers.discard(timer)
            what(*arguments)

        timer = asyncio.get_running_loop().call_later(seconds, run)
        self._timers.add(timer)
