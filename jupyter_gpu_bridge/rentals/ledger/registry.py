"""Rentals found again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, select

from jupyter_gpu_bridge.db import tables
from jupyter_gpu_bridge.errors import RentalUnknown
from jupyter_gpu_bridge.model import AttemptId, Rental, RentalState, WishId
from jupyter_gpu_bridge.rentals.ledger.chapter import Chapter
from jupyter_gpu_bridge.rentals.ledger.prefixes import only_one
from jupyter_gpu_bridge.rentals.ledger.rows import rental_of

_T = tables.rentals


class Registry(Chapter):
    """Wherever there are several, the newest is the first."""

    def rentals(self, live_only: bool = True, newest: int | None = None) -> Sequence[Rental]:
        query = _newest_first().limit(newest)
        return self._all(query.where(_T.c.state != RentalState.GONE.value) if live_only else query)

    def of_wish(self, wish_id: WishId) -> Sequence[Rental]:
        return self._all(_newest_first().where(_T.c.wish_id == wish_id))

    def of_wishes(self, wish_ids: Sequence[WishId]) -> Sequence[Rental]:
        return self._all(_newest_first().where(_T.c.wish_id.in_(wish_ids)))

    def recently_gone(self, now: datetime, within: timedelta = timedelta(hours=24)) -> Sequence[Rental]:
        """A provider may bring one of these back."""
        return self._all(_newest_first().where(_T.c.state == RentalState.GONE.value, _T.c.gone >= now - within))

    def by_name(self, name: str) -> Rental | None:
        """The one whose machine bears this name at its provider."""
        found = self._all(select(_T).where(_T.c.name == name))
        return found[0] if found else None

    def find_rental(self, id_or_prefix: str) -> Rental:
        """Raises `RentalUnknown`, also when several begin so."""
        with self._database.reading() as connection:
            return rental_of(only_one(connection, _T.c.attempt_id, id_or_prefix, "rental"))

    def _all(self, query: Select[Any]) -> Sequence[Rental]:
        with self._database.reading() as connection:
            return [rental_of(row) for row in connection.execute(query).all()]


def read_rental(connection: Connection, attempt_id: AttemptId) -> Rental:
    """Raises `RentalUnknown`."""
    row = connection.execute(select(_T).where(_T.c.attempt_id == attempt_id)).one_or_none()
    if row is None:
        raise RentalUnknown(f"There is no rental {attempt_id[:8]!r}.", advice="See: jupyter gpu ls --all")
    return rental_of(row)


def _newest_first() -> Select[Any]:
    return select(_T).order_by(_T.c.written.desc(), _T.c.attempt_id)
