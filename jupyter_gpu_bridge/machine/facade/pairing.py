"""Which subscriber belongs to which session: SUB sockets carry no name, so process and order of connecting must tell.

A Jupyter server connects iopub and then shell, in the same instant; a KernelClient connects shell and then iopub. The
server's own activity monitor is a subscriber that nobody claims.
"""

from __future__ import annotations

from collections.abc import Callable

from jupyter_gpu_bridge.machine.facade.connection import Connection
from jupyter_gpu_bridge.machine.facade.sessions import Session
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
        open_claims = [claim for claim in self._claims if _belong(subscriber, claim[0]) and _open(claim)]
        if open_claims:
            self._pair(subscriber, max(open_claims, key=lambda claim: claim[0].serial))

    def claim(self, connection: Connection, session: Session) -> None:
        """A session's shell socket is connected."""
        claim = (connection, session)
        self._claims = [each for each in self._claims if _open(each) and each[1] is not session]
        self._subscribers = [each for each in self._subscribers if each.session is None]
        mine = [each for each in self._subscribers if _belong(each, connection)]
        before = [each for each in mine if each.connection.serial < connection.serial]
        after = [each for each in mine if each.connection.serial > connection.serial]
        self._claims.append(claim)
        if before:
            self._pair(max(before, key=_serial), claim)
        elif after:
            self._pair(min(after, key=_serial), claim)

    def closed(self, subscriber: Subscriber) -> None:
        self._subscribers = [each for each in self._subscribers if each is not subscriber]

    def _pair(self, subscriber: Subscriber, claim: tuple[Connection, Session]) -> None:
        self._claims.remove(claim)
        self._subscribers.remove(subscriber)
        subscriber.session, claim[1].subscriber = claim[1], subscriber
        self._paired(subscriber, claim[1])


def _serial(subscriber: Subscriber) -> int:
    return subscriber.connection.serial


def _open(claim: tuple[Connection, Session]) -> bool:
    connection, session = claim
    return connection.is_open and session.subscriber is None


def _belong(subscriber: Subscriber, connection: Connection) -> bool:
    other = subscriber.connection
    return (
        subscriber.session is None
        and other.process == connection.process
        and abs(other.accepted_at - connection.accepted_at) <= SECONDS
    )
