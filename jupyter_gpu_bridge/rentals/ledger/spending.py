"""What is spent and reserved, read in the transaction that asks."""

from __future__ import annotations

from datetime import date, datetime, timezone

from sqlalchemy import Connection, func, select

from jupyter_gpu_bridge.db import tables
from jupyter_gpu_bridge.model import Money, RentalState
from jupyter_gpu_bridge.rentals.ledger.limits import Spending

_R, _D = tables.rentals, tables.days


def read_spending(connection: Connection, now: datetime, *, is_pretend: bool) -> Spending:
    """Of real money, or of the sandbox's: neither counts for the other's limits."""
    today = now.astimezone(timezone.utc).date()
    live = connection.execute(
        select(_R.c.price, _R.c.worst_case, _R.c.accrued).where(
            _R.c.state != RentalState.GONE.value, _R.c.is_pretend == is_pretend
        )
    ).all()
    return Spending(
        spent_today=_spent_since(connection, today, is_pretend),
        spent_this_month=_spent_since(connection, today.replace(day=1), is_pretend),
        reserved=sum((max(row.worst_case - row.accrued, Money()) for row in live), Money()),
        per_hour=sum((row.price for row in live), Money()),
        live=len(live),
    )


def _spent_since(connection: Connection, day: date, is_pretend: bool) -> Money:
    """Without an end: what a clock that ran ahead has put into the future counts now."""
    query = select(func.sum(_D.c.cost)).join(_R, _R.c.attempt_id == _D.c.attempt_id)
    return connection.execute(query.where(_D.c.day >= day, _R.c.is_pretend == is_pretend)).scalar() or Money()
