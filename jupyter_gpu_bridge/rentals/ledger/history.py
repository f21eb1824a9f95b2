"""What happened, in order; and how long things usually take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from jupyter_gpu_bridge.db import tables
from jupyter_gpu_bridge.errors import RentalUnknown
from jupyter_gpu_bridge.market.experience.stage_times import stage_times
from jupyter_gpu_bridge.model import AttemptId, Event, WishId
from jupyter_gpu_bridge.rentals.ledger.chapter import Chapter
from jupyter_gpu_bridge.rentals.ledger.rows import event_of

_E, _S = tables.events, tables.stages


class History(Chapter):
    def note(self, wish_id: WishId, attempt_id: AttemptId | None, kind: str, text: str, now: datetime) -> None:
        """Raises `RentalUnknown`."""
        with self._database.writing() as connection:
            write_event(connection, wish_id, attempt_id, kind, text, now)

    def events(self, wish_id: WishId) -> Sequence[Event]:
        """The oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(select(_E).where(_E.c.wish_id == wish_id).order_by(_E.c.number)).all()
            return [event_of(row) for row in rows]

    def events_of(self, wish_ids: Sequence[WishId], kinds: Sequence[str]) -> Mapping[WishId, Sequence[Event]]:
        """Of these kinds, of each wish that has any; the oldest first."""
        query = select(_E).where(_E.c.wish_id.in_(wish_ids), _E.c.kind.in_(kinds)).order_by(_E.c.number)
        found: defaultdict[WishId, list[Event]] = defaultdict(list)
        with self._database.reading() as connection:
            for row in connection.execute(query):
                found[row.wish_id].append(event_of(row))
        return found

    def stage(self, attempt_id: AttemptId, name: str, took: timedelta, provider: str, gpu: str) -> None:
        """A stage is over. Raises `RentalUnknown`."""
        values = {"attempt_id": attempt_id, "name": name, "took": took, "provider": provider, "gpu": gpu}
        with self._database.writing() as connection:
            try:
                connection.execute(insert(_S).values(values))
            except IntegrityError:
                raise RentalUnknown(f"There is no rental {attempt_id[:8]!r}.") from None

    def typical(self, provider: str, gpu: str) -> Mapping[str, timedelta]:
        """For each stage the median of the last times that it was measured there."""
        with self._database.reading() as connection:
            return stage_times(connection, [provider], gpu).get((provider, gpu), {})


def write_event(
    connection: Connection, wish_id: WishId, attempt_id: AttemptId | None, kind: str, text: str, now: datetime
) -> None:
    values = {"at": now, "wish_id": wish_id, "attempt_id": attempt_id, "kind": kind, "text": text}
    try:
        connection.execute(insert(_E).values(values))
    except IntegrityError:
        raise RentalUnknown(f"There is no wish {wish_id[:8]!r}, or no such rental of it.") from None
