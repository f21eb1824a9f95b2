"""The tables in which the past is: read at once, written in transactions of a few rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, delete, func, insert, select, update

from jupyter_gpu_bridge.db import Database, tables
from jupyter_gpu_bridge.db.types import storable
from jupyter_gpu_bridge.market.history.past import HOLDS, Point, Span
from jupyter_gpu_bridge.market.history.snapshot import Prices, Sold
from jupyter_gpu_bridge.market.history.thinning import WHOLE, Told, is_over, superfluous

_AGAIN = timedelta(minutes=1)
"""That somebody has looked is written down no more often than so, when all is as it was."""
_AT_ONCE = 2000
"""Rows that are thinned out in one transaction, so that nobody who writes waits for long."""

_L, _P = tables.looks, tables.prices

_FORGOTTEN = delete(_P).where(
    _P.c.provider == bindparam("of"),
    _P.c.gpu == bindparam("sold"),
    _P.c.is_spot == bindparam("as_spot"),
    _P.c.at == bindparam("then"),
)

Kind = tuple[str, bool]
"""A provider, and whether it was asked for what is spot or for what is not: each is looked at by itself."""

Place = tuple[str, str, bool]
"""A provider, one of its GPUs, and whether it is sold as spot."""


class Store:
    """Synchronous: it waits for the disk, so call it in a thread. A database that fails raises `LedgerBroken`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, provider: str, seen: Mapping[Sold, Prices], at: datetime, *, with_spot: bool) -> None:
        """What has changed since somebody looked last, and that somebody has looked.

        Of two who look at the same time one writes; so does nobody whose answer comes after that of a later one.
        """
        provider, at = storable(provider), at.astimezone(timezone.utc)
        seen = {(storable(gpu), is_spot): prices for (gpu, is_spot), prices in seen.items()}
        is_new_day = self._write((provider, False), seen, at)
        if with_spot:
            self._write((provider, True), seen, at)
        if is_new_day:
            self.thin_out(provider, at)

    def _write(self, kind: Kind, everything: Mapping[Sold, Prices], at: datetime) -> bool:
        """Whether it is the first time on this day that something was written."""
        seen = {sold: prices for sold, prices in everything.items() if sold[1] == kind[1]}
        with self._database.reading() as connection:
            last = _last_look(connection, kind, at)
            if last is not None and at <= last.until:
                return False
            changes = _changes(_newest(connection, kind, at), seen)
        if last is not None and not changes and at - last.until < _AGAIN:
            return False
        with self._database.writing() as connection:
            if _last_look(connection, kind, at) != last:
                return False
            _note_look(connection, kind, last, at)
            if changes:
                rows = [_cells(kind[0], sold, at, prices) for sold, prices in changes.items()]
                connection.execute(insert(_P), rows)
        return last is not None and last.until.date() != at.date()

    def thin_out(self, provider: str, now: datetime) -> None:
        """Seldom: it reads all that is known of a provider."""
        with self._database.reading() as connection:
            query = select(*_P.primary_key, _P.c.offers).where(_P.c.provider == provider, _P.c.at <= now - WHOLE)
            found: Iterable[Row[Any]] = connection.execute(query.order_by(_P.c.gpu, _P.c.is_spot, _P.c.at))
            gone = [
                {"of": of, "sold": gpu, "as_spot": is_spot, "then": then}
                for (of, gpu, is_spot), rows in groupby(found, key=_place)
                for then in superfluous([Told(row.at, bool(row.offers)) for row in rows], now)
            ]
            over = [look for kind in _kinds(provider) for look in _looks(connection, kind) if is_over(look, now)]
        for start in range(0, len(gone), _AT_ONCE):
            with self._database.writing() as connection:
                connection.execute(_FORGOTTEN, gone[start : start + _AT_ONCE])
        if over:
            with self._database.writing() as connection:
                until = max(look.until for look in over)
                connection.execute(delete(_L).where(_L.c.provider == provider, _L.c.until <= until))

    def names(self) -> Sequence[str]:
        """Of the GPUs that were ever seen, as offers spell them."""
        with self._database.reading() as connection:
            return list(connection.scalars(select(_P.c.gpu).distinct().order_by(_P.c.gpu)))

    def providers(self) -> Sequence[str]:
        """Those where anybody has looked."""
        with self._database.reading() as connection:
            return list(connection.scalars(select(_L.c.provider).distinct().order_by(_L.c.provider)))

    def read(
        self, gpus: Iterable[str], provider: str | None, window: Span
    ) -> tuple[Mapping[Place, Sequence[Point]], Mapping[Kind, Sequence[Span]]]:
        """What is known of these GPUs within the window, with what was so when it began; and when anybody looked
        at each kind of these.
        """
        with self._database.reading() as connection:
            of = select(_L.c.provider).distinct() if provider is None else [provider]
            query = select(_P).where(_P.c.provider.in_(of), _P.c.gpu.in_(list(gpus)), _P.c.at <= window.until)
            query = query.order_by(_P.c.provider, _P.c.gpu, _P.c.is_spot, _P.c.at)
            found = {place: _within(points, window) for place, points in _places(connection.execute(query))}
            kinds = {(of, is_spot) for of, _, is_spot in found}
            looks = {kind: _looks_within(connection, kind, window) for kind in kinds}
        return found, looks


def _kinds(provider: str) -> Sequence[Kind]:
    return [(provider, False), (provider, True)]


def _looks_at(kind: Kind) -> ColumnElement[bool]:
    return and_(_L.c.provider == kind[0], _L.c.is_spot == kind[1])


def _last_look(connection: Connection, kind: Kind, at: datetime) -> Span | None:
    """What a clock wrote that was ahead of ours is left alone until its time has come."""
    query = select(_L.c.since, _L.c.until).where(_looks_at(kind), _L.c.since <= at)
    row = connection.execute(query.order_by(_L.c.since.desc()).limit(1)).one_or_none()
    return None if row is None else Span(row.since, row.until)


def _note_look(connection: Connection, kind: Kind, last: Span | None, at: datetime) -> None:
    if last is None or at - last.until > HOLDS:
        connection.execute(insert(_L).values(provider=kind[0], is_spot=kind[1], since=at, until=at))
        return
    this = (_looks_at(kind), _L.c.since == last.since)
    connection.execute(update(_L).where(*this).values(until=at))


def _newest(connection: Connection, kind: Kind, at: datetime) -> Mapping[Sold, Prices]:
    newest = (
        select(_P.c.gpu, _P.c.is_spot, func.max(_P.c.at).label("at"))
        .where(_P.c.provider == kind[0], _P.c.is_spot == kind[1], _P.c.at <= at)
        .group_by(_P.c.gpu, _P.c.is_spot)
        .subquery()
    )
    same = (_P.c.gpu == newest.c.gpu) & (_P.c.is_spot == newest.c.is_spot) & (_P.c.at == newest.c.at)
    query = select(_P).join(newest, same).where(_P.c.provider == kind[0])
    return {(row.gpu, row.is_spot): _prices(row) for row in connection.execute(query)}


def _changes(before: Mapping[Sold, Prices], seen: Mapping[Sold, Prices]) -> Mapping[Sold, Prices]:
    changed = {sold: prices for sold, prices in seen.items() if before.get(sold) != prices}
    gone = {
        sold: Prices(0, is_pretend=prices.is_pretend)
        for sold, prices in before.items()
        if prices.offers and sold not in seen
    }
    return {**changed, **gone}


def _looks_within(connection: Connection, kind: Kind, window: Span) -> Sequence[Span]:
    """Without any, the last one before."""
    last = _last_look(connection, kind, window.until)
    if last is None:
        return []
    looks = [look for look in _looks(connection, kind) if window.since - HOLDS <= look.until]
    looks = [Span(look.since, min(look.until, window.until)) for look in looks if look.since <= window.until]
    return looks or [last]


def _looks(connection: Connection, kind: Kind) -> Iterator[Span]:
    query = select(_L.c.since, _L.c.until).where(_looks_at(kind)).order_by(_L.c.since)
    for row in connection.execute(query):
        yield Span(row.since, row.until)


def _places(rows: Iterable[Row[Any]]) -> Iterator[tuple[Place, Sequence[Point]]]:
    for place, of_it in groupby(rows, key=_place):
        yield place, [Point(row.at, _prices(row)) for row in of_it]


def _place(row: Row[Any]) -> Place:
    return row.provider, row.gpu, row.is_spot


def _within(points: Sequence[Point], window: Span) -> Sequence[Point]:
    before = sum(point.at <= window.since for point in points)
    return points[max(0, before - 1) :]


def _prices(row: Row[Any]) -> Prices:
    return Prices(row.offers, row.low, row.median, row.high, row.is_pretend)


def _cells(provider: str, sold: Sold, at: datetime, prices: Prices) -> dict[str, object]:
    gpu, is_spot = sold
    return {
        "provider": provider,
        "gpu": gpu,
        "is_spot": is_spot,
        "at": at,
        "low": prices.low,
        "median": prices.median,
        "high": prices.high,
        "offers": prices.offers,
        "is_pretend": prices.is_pretend,
    }
