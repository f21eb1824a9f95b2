"""Locks over processes and computers, for work that one of them is to do at a time; each ends with its heartbeat."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from jupyter_gpu_bridge.db import tables
from jupyter_gpu_bridge.rentals.ledger.chapter import Chapter

_SKEW = timedelta(minutes=10)
"""So far may the clocks of two computers be apart."""

_T = tables.locks


class Locks(Chapter):
    def take_lock(self, name: str, owner: str, for_: timedelta, now: datetime) -> bool:
        """Whether it is the owner's for so long, also when it was before. Take it anew or `renew` it in time."""
        with self._database.writing() as connection:
            row = _read(connection, name)
            if row is None:
                connection.execute(insert(_T).values(name=name, owner=owner, heartbeat=now, until=now + for_))
                return True
            if row.owner != owner and _is_held(row, now):
                return False
            _write(connection, name, owner, for_, now)
            return True

    def renew(self, name: str, owner: str, for_: timedelta, now: datetime) -> bool:
        """`False`: somebody else has it, or nobody; whoever hears that stops what it does under the lock."""
        with self._database.writing() as connection:
            row = _read(connection, name)
            if row is None or row.owner != owner:
                return False
            _write(connection, name, owner, for_, now)
            return True

    def release(self, name: str, owner: str) -> bool:
        """Whether it was the owner's."""
        with self._database.writing() as connection:
            done = connection.execute(delete(_T).where(_T.c.name == name, _T.c.owner == owner))
            return done.rowcount == 1


def _read(connection: Connection, name: str) -> Row[Any] | None:
    return connection.execute(select(_T).where(_T.c.name == name)).one_or_none()


def _write(connection: Connection, name: str, owner: str, for_: timedelta, now: datetime) -> None:
    connection.execute(update(_T).where(_T.c.name == name).values(owner=owner, heartbeat=now, until=now + for_))


def _is_held(row: Row[Any], now: datetime) -> bool:
    """A heartbeat far in the future is of a clock that was wrong: it must not keep anybody from destroying."""
    return bool(now < row.until and row.heartbeat - now <= _SKEW)
