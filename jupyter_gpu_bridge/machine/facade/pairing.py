"""Which subscriber belongs to which session: SUB sockets carry no name, so process and order of connecting must tell.

A Jupyter server connects iopub and then shell, in the same instant; a KernelClient connects shell and then iopub. The
server's own activity monitor is a subscriber that nobody claims. Where there is our server extension, it says the name.
"""

from __future__ import annotations

from collections.abc import Callable

from jupyter_gpu_bridge.machine.facade.connection import Connection
from jupyter_gpu_bridge.machine.facade.session import Session
from jupyter_gpu_bridge.machine.facade.subscriber import Subscriber

SECONDS = 1.0
"""Sockets of one client are connected within this time."""


class Pairing:
    def __init__(self, paired: Callable[[Subscriber, Session], None]) -> None:
        self._paired = paired
        self._subscribers: list[Subscriber] = []
        self._claims: list[tuple[Connection, Session]] = []

    def accepted(self, subscriber: Subscriber) -> None:
        """Called before its handshake, so that nobody claims an older one in its place."""
        self._subscribers.append(subscriber)
        self._offer(subscriber)

    def named(self, subscriber: Subscriber, name: bytes) -> None:
        """It has said whose it is."""
        subscriber.name = name
        if subscriber in self._subscribers:
            self._offer(subscriber)

    def reunite(self, subscriber: Subscriber, session: Session) -> None:
        """It stood for this session before this process was there, and so need not be claimed."""
        if subscriber in self._subscribers:
            self._subscribers.remove(subscriber)
            self._claims = [each for each in self._claims if each[1] is not session]
            self._join(subscriber, session)

    def claim(self, connection: Connection, session: Session) -> None:
        """A session's shell socket is connected."""
        claim = (connection, session)
        self._claims = [each for each in self._claims if _open(each) and each[1] is not session]
        self._subscribers = [each for each in self._subscribers if each.session is None]
        mine = [each for each in self._subscribers if _belong(each, claim)]
        before = [each for each in mine if each.connection.serial < connection.serial]
        after = [each for each in mine if each.connection.serial > connection.serial]
        self._claims.append(claim)
        if before:
            self._pair(max(before, key=_serial), claim)
        elif after:
            self._pair(min(after, key=_serial), claim)

    def closed(self, subscriber: Subscriber) -> None:
        self._subscribers = [each for each in self._subscribers if each is not subscriber]

    def _offer(self, subscriber: Subscriber) -> None:
        open_claims = [claim for claim in self._claims if _belong(subscriber, claim) and _open(claim)]
        if open_claims:
            self._pair(subscriber, max(open_claims, key=lambda claim: claim[0].serial))

    def _pair(self, subscriber: Subscriber, claim: tuple[Connection, Session]) -> None:
        self._claims.remove(claim)
        self._subscribers.remove(subscriber)
        self._join(subscriber, claim[1])

    def _join(self, subscriber: Subscriber, session: Session) -> None:
        subscriber.session, session.subscriber = session, subscriber
        self._paired(subscriber, session)


def _serial(subscriber: Subscriber) -> int:
    return subscriber.connection.serial


def _open(claim: tuple[Connection, Session]) -> bool:
    connection, session = claim
    return connection.is_open and session.subscriber is None


def _belong(subscriber: Subscriber, claim: tuple[Connection, Session]) -> bool:
    connection, session = claim
    other = subscriber.connection
    if subscriber.session is not None or other.process != connection.process:
        return False
    if subscriber.name or session.receipts is not None:
        return subscriber.name == session.identity
    return abs(other.accepted_at - connection.accepted_at) <= SECONDS
