"""Rows found by the beginning of their id, as people type it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Connection, Row, select

from jupyter_gpu_bridge.errors import RentalUnknown

_SHOWN = 5


def only_one(connection: Connection, column: Column[Any], prefix: str, what: str) -> Row[Any]:
    """The row whose id begins so. Raises `RentalUnknown` when there is none, or more than one."""
    wanted = prefix.strip().casefold()
    query = select(column.table).where(column.startswith(wanted, autoescape=True)).limit(_SHOWN)
    rows = connection.execute(query).all() if wanted else []
    if len(rows) == 1:
        return rows[0]
    if not rows:
        raise RentalUnknown(f"There is no {what} {prefix!r}.", advice="See which there are: jupyter gpu ls --all")
    ids = ", ".join(str(row._mapping[column])[: len(wanted) + 4] for row in rows) + ", ..." * (len(rows) == _SHOWN)
    raise RentalUnknown(
        f"Several {what}{'es' if what == 'wish' else 's'} begin with {prefix!r}: {ids}.",
        advice="Give more of the id.",
    )
