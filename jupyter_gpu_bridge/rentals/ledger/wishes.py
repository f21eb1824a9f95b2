"""Wishes: there is one open wish for each key, whoever asks and however often."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, insert, or_, select, update

from jupyter_gpu_bridge.db import tables
from jupyter_gpu_bridge.errors import RentalUnknown
from jupyter_gpu_bridge.model import Order, RentalState, Wish, WishId
from jupyter_gpu_bridge.rentals.ledger.chapter import Chapter
from jupyter_gpu_bridge.rentals.ledger.history import write_event
from jupyter_gpu_bridge.rentals.ledger.prefixes import only_one
from jupyter_gpu_bridge.rentals.ledger.rows import order_text, wish_of

_T, _A = tables.wishes, tables.rentals

_SHOWN = 5


class Wishes(Chapter):
    def wish(self, key: str, order: Order, asked_by: str, now: datetime, installation: str = "") -> tuple[Wish, bool]:
        """The open wish of this installation for that key, or else a new one; and whether it is new."""
        same = (_T.c.installation == installation) & (_T.c.key == key)
        with self._database.writing() as connection:
            found = connection.execute(select(_T).where(same, _T.c.closed.is_(None))).one_or_none()
            if found is not None:
                return wish_of(found), False
            wish = Wish(WishId(secrets.token_hex(16)), key, order, now, asked_by, installation)
            connection.execute(
                insert(_T).values(
                    wish_id=wish.wish_id,
                    key=key,
                    wanted=order_text(order),
                    asked=now,
                    asked_by=asked_by,
                    installation=installation,
                    closed_because="",
                )
            )
            return read_wish(connection, wish.wish_id), True

    def close_wish(self, wish_id: WishId, because: str, now: datetime, *, only_for: str | None = None) -> bool:
        """Nothing is rented for it any more; whether this call closed it. Raises `RentalUnknown`.

        `only_for`: unless it is for something else by now than for this key.
        """
        with self._database.writing() as connection:
            wish = read_wish(connection, wish_id)
            if not wish.is_open or only_for not in (None, wish.key):
                return False
            connection.execute(update(_T).where(_T.c.wish_id == wish_id).values(closed=now, closed_because=because))
            write_event(connection, wish_id, None, "state", f"The wish is closed. {because}".strip(), now)
            return True

    def wishes(self, open_only: bool = True) -> Sequence[Wish]:
        """The oldest first."""
        query = select(_T).order_by(_T.c.asked, _T.c.wish_id)
        with self._database.reading() as connection:
            rows = connection.execute(query.where(_T.c.closed.is_(None)) if open_only else query).all()
            return [wish_of(row) for row in rows]

    def unsettled(self, since: datetime | None = None) -> Sequence[Wish]:
        """Those that are open or have a machine, or that had one or were open at this moment; the oldest first."""
        is_live = _A.c.state != RentalState.GONE.value
        is_kept: list[ColumnElement[bool]] = [
            _T.c.closed.is_(None),
            _T.c.wish_id.in_(select(_A.c.wish_id).where(is_live)),
        ]
        if since is not None:
            is_kept += [_T.c.closed >= since, _T.c.wish_id.in_(select(_A.c.wish_id).where(_A.c.gone >= since))]
        query = select(_T).where(or_(*is_kept)).order_by(_T.c.asked, _T.c.wish_id)
        with self._database.reading() as connection:
            return [wish_of(row) for row in connection.execute(query).all()]

    def find_wish(self, id_or_prefix: str) -> Wish:
        """Raises `RentalUnknown`, also when several begin so."""
        with self._database.reading() as connection:
            return wish_of(only_one(connection, _T.c.wish_id, id_or_prefix, "wish"))

    def wish_meant(self, id_or_prefix: str) -> Wish:
        """As `find_wish`; where no wish begins so, that of the attempt which does, or the one for what is named so.

        Of several of that name, the one that is open or has a machine. Raises `RentalUnknown`.
        """
        with self._database.reading() as connection:
            named = _named(connection, id_or_prefix)
            if len(named) == 1 and not _begins(connection, id_or_prefix):
                return named[0]
            if named:
                raise _several(id_or_prefix, named)
            if _is_attempt(connection, id_or_prefix):
                return read_wish(connection, only_one(connection, _A.c.attempt_id, id_or_prefix, "rental").wish_id)
            return wish_of(only_one(connection, _T.c.wish_id, id_or_prefix, "wish"))


def _named(connection: Connection, name: str) -> Sequence[Wish]:
    """For this, as `ls` shows it: those that are not over, or else all."""
    query = select(_T).where(_T.c.key.endswith(f":{name}", autoescape=True)).order_by(_T.c.asked)
    found = [wish_of(row) for row in connection.execute(query).all()] if name else []
    named = [wish for wish in found if wish.key.partition(":")[2] == name]
    live = select(_A.c.wish_id).where(
        _A.c.wish_id.in_([each.wish_id for each in named]), _A.c.state != RentalState.GONE.value
    )
    billed = set(connection.scalars(live))
    return [wish for wish in named if wish.is_open or wish.wish_id in billed] or named


def _begins(connection: Connection, prefix: str) -> bool:
    """Whether the id of anything begins so: then it is not clear what is meant."""
    wanted = prefix.strip().casefold()
    columns = (_T.c.wish_id, _A.c.attempt_id)
    queries = (select(column).where(column.startswith(wanted, autoescape=True)).limit(1) for column in columns)
    return any(connection.execute(query).first() is not None for query in queries)


def _several(name: str, named: Sequence[Wish]) -> RentalUnknown:
    ids = ", ".join(wish.wish_id[:8] for wish in named[-_SHOWN:])
    return RentalUnknown(
        f"{name!r} may mean several things: it is the name of {ids}, and not of one thing alone.", advice="Give the id."
    )


def _is_attempt(connection: Connection, prefix: str) -> bool:
    """And no wish: whoever ends what he names must not end something else that begins so."""
    wanted = prefix.strip().casefold()
    wish, attempt = (
        connection.execute(select(column).where(column.startswith(wanted, autoescape=True)).limit(1)).first()
        for column in (_T.c.wish_id, _A.c.attempt_id)
    )
    return bool(wanted) and wish is None and attempt is not None


def read_wish(connection: Connection, wish_id: WishId) -> Wish:
    """Raises `RentalUnknown`."""
    row = connection.execute(select(_T).where(_T.c.wish_id == wish_id)).one_or_none()
    if row is None:
        raise RentalUnknown(f"There is no wish {wish_id[:8]!r}.")
    return wish_of(row)
