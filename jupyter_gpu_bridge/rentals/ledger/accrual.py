"""What a rental has cost so far, and on which days."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone

from sqlalchemy import Connection, insert, select, update

from jupyter_gpu_bridge.db import tables
from jupyter_gpu_bridge.model import AttemptId, Money, Rental
from jupyter_gpu_bridge.rentals.ledger.chapter import Chapter
from jupyter_gpu_bridge.rentals.ledger.history import write_event
from jupyter_gpu_bridge.rentals.ledger.registry import read_rental

_R, _D, _W = tables.rentals, tables.days, tables.wishes
_TIMES = ("deadline", "written", "requested", "created", "accrued_until", "gone", "resurrected", "lease_until")


class Accrual(Chapter):
    def accrue(self, attempt_id: AttemptId, until: datetime) -> Rental:
        """Count its price from where it was counted last, at first from the request; never twice, never after its end.

        Whoever calls sees to it that `until` is a time that has been: a clock that leapt is not known here.
        """
        with self._database.writing() as connection:
            rental = read_rental(connection, attempt_id)
            since = rental.accrued_until or rental.requested
            end = until if rental.gone is None else min(until, rental.gone)
            if since is None or end <= since:
                return rental
            for day, cost in by_day(rental.price, since, end):
                _add(connection, attempt_id, day, cost)
            connection.execute(update(_R).where(_R.c.attempt_id == attempt_id).values(accrued_until=end))
            return read_rental(connection, attempt_id)

    def bring_back(self, attempt_id: AttemptId, now: datetime) -> Rental:
        """What was counted by a clock that was ahead was counted until now, and all other times of its wish are as far
        from that as they were: it goes on at once, and has as much time left."""
        with self._database.writing() as connection:
            rental = read_rental(connection, attempt_id)
            ahead = (rental.accrued_until or rental.requested or rental.written) - now
            if ahead <= timedelta(0):
                return rental
            for row in connection.execute(select(_R).where(_R.c.wish_id == rental.wish_id)).all():
                times = {name: getattr(row, name) - ahead for name in _TIMES if getattr(row, name) is not None}
                connection.execute(update(_R).where(_R.c.attempt_id == row.attempt_id).values(times))
            wish = connection.execute(select(_W.c.asked).where(_W.c.wish_id == rental.wish_id)).scalar_one()
            connection.execute(update(_W).where(_W.c.wish_id == rental.wish_id).values(asked=wish - ahead))
            text = f"Its times were {ahead} ahead of what it is now, and were corrected by that."
            write_event(connection, rental.wish_id, attempt_id, "clock", text, now)
            return read_rental(connection, attempt_id)

    def bill(self, attempt_id: AttemptId, total: Money) -> Rental:
        """What the provider says that it has cost in all; it counts where it is more. On the day of the last count."""
        with self._database.writing() as connection:
            rental = read_rental(connection, attempt_id)
            if total > rental.accrued:
                at = rental.accrued_until or rental.requested or rental.written
                _add(connection, attempt_id, _day(at), total - rental.accrued)
            return read_rental(connection, attempt_id)


def by_day(price: Money, since: datetime, until: datetime) -> Iterator[tuple[date, Money]]:
    """The cost of an interval, divided among the days of UTC, which come to exactly the cost of the whole."""
    counted = Money()
    for midnight in _midnights(since, until):
        so_far = price.during(midnight - since)
        yield _day(midnight - timedelta(microseconds=1)), so_far - counted
        counted = so_far
    yield _day(until - timedelta(microseconds=1)), price.during(until - since) - counted


def strike(connection: Connection, attempt_id: AttemptId) -> None:
    """There never was a machine, so nothing has been billed; should it turn up, all is counted again."""
    connection.execute(update(_D).where(_D.c.attempt_id == attempt_id).values(cost=Money()))
    values = {"accrued": Money(), "accrued_until": None}
    connection.execute(update(_R).where(_R.c.attempt_id == attempt_id).values(values))


def _add(connection: Connection, attempt_id: AttemptId, day: date, cost: Money) -> None:
    """The rental's own sum is always the sum of its days."""
    this = (_D.c.attempt_id == attempt_id) & (_D.c.day == day)
    known = connection.execute(select(_D.c.cost).where(this)).scalar_one_or_none()
    if known is None:
        connection.execute(insert(_D).values(attempt_id=attempt_id, day=day, cost=cost))
    else:
        connection.execute(update(_D).where(this).values(cost=known + cost))
    mine = _R.c.attempt_id == attempt_id
    accrued = connection.execute(select(_R.c.accrued).where(mine)).scalar_one()
    connection.execute(update(_R).where(mine).values(accrued=accrued + cost))


def _midnights(since: datetime, until: datetime) -> Iterator[datetime]:
    """Those strictly between."""
    start = since.astimezone(timezone.utc)
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    while midnight < until:
        yield midnight
        midnight += timedelta(days=1)


def _day(at: datetime) -> date:
    return at.astimezone(timezone.utc).date()
