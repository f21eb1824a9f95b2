"""What is rented, at a glance: from the file of the ledger, with nothing but Python's own SQLite.

A database library takes longer to import than a list of what is rented should take to be shown. So this reads what it
knows for sure, a file whose tables are of this very version, and leaves all else to the ledger itself.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

from jupyter_gpu_bridge import settings
from jupyter_gpu_bridge.migrations import SCHEMA, VERSION_TABLE
from jupyter_gpu_bridge.model import Event, Money, RentalState, WishId
from jupyter_gpu_bridge.rentals.clock import clock_of_environment
from jupyter_gpu_bridge.rentals.ledger.rows import event_of, rental_of, wish_of
from jupyter_gpu_bridge.rentals.standing import TOLD, Standing, standings

_PATIENCE = 2.0
"""Seconds to wait for somebody who writes; who needs longer is left to the ledger."""

_TIMES = (
    *("ledger_wishes.asked", "ledger_wishes.closed", "ledger_events.at"),
    *(f"ledger_rentals.{name}" for name in ("deadline", "written", "requested", "created", "accrued_until", "gone")),
    "ledger_rentals.lease_until",
    "ledger_rentals.resurrected",
)
_SUMS = tuple(f"ledger_rentals.{name}" for name in ("price", "cap", "worst_case", "accrued"))
_FLAGS = ("ledger_rentals.is_pretend",)

_UNSETTLED = (
    "SELECT wish_id FROM ledger_wishes WHERE closed IS NULL "
    "UNION SELECT wish_id FROM ledger_rentals WHERE state != :gone"
)
_WISHES = f"SELECT * FROM ledger_wishes WHERE wish_id IN ({_UNSETTLED}) ORDER BY asked, wish_id"  # noqa: S608
_RENTALS = f"SELECT * FROM ledger_rentals WHERE wish_id IN ({_UNSETTLED})"  # noqa: S608 - constants, as all here
_EVENTS = (
    f"SELECT * FROM ledger_events WHERE wish_id IN ({_UNSETTLED}) "  # noqa: S608
    f"AND kind IN ({', '.join(repr(kind) for kind in TOLD)}) ORDER BY number"
)


def glance() -> Sequence[Standing] | None:
    """As `Orders.all`, of what is not over; `None` where the ledger itself has to be asked. Waits for the disk."""
    path = settings.data_folder() / "ledger.db"
    if os.environ.get(settings.LEDGER_VARIABLE) or not path.exists():
        return None
    try:
        file = f"file:{quote(str(path))}?mode=rw"  # a reader writes beside it as well
        with contextlib.closing(sqlite3.connect(file, uri=True, timeout=_PATIENCE, isolation_level=None)) as connection:
            connection.execute("BEGIN")
            if connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchall() != [(SCHEMA,)]:  # noqa: S608
                return None
            return _standings(connection)
    except (sqlite3.Error, OSError):
        return None


def _standings(connection: sqlite3.Connection) -> Sequence[Standing]:
    wishes = [wish_of(row) for row in _rows(connection, "ledger_wishes", _WISHES)]
    rentals = [rental_of(row) for row in _rows(connection, "ledger_rentals", _RENTALS)]
    told: Mapping[WishId, list[Event]] = defaultdict(list)
    for row in _rows(connection, "ledger_events", _EVENTS):
        told[row.wish_id].append(event_of(row))
    return standings(wishes, rentals, told, clock_of_environment().now())


def _rows(connection: sqlite3.Connection, table: str, query: str) -> Iterator[Any]:
    cursor = connection.execute(query, {"gone": RentalState.GONE.value})
    names = [column[0] for column in cursor.description]
    readers = [_reader(f"{table}.{name}") for name in names]
    for values in cursor:
        read = (None if value is None else reader(value) for value, reader in zip(values, readers, strict=True))
        yield SimpleNamespace(**dict(zip(names, read, strict=True)))


def _reader(column: str) -> Callable[[Any], Any]:
    if column in _TIMES:
        return lambda text: datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
    if column in _SUMS:
        return Money
    return bool if column in _FLAGS else lambda value: value
