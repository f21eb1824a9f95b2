"""Costs, summed up in several ways."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timezone
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, distinct, func, select

from jupyter_gpu_bridge.db import tables
from jupyter_gpu_bridge.rentals.costs import CostRow, CostsBy
from jupyter_gpu_bridge.rentals.ledger.chapter import Chapter
from jupyter_gpu_bridge.rentals.ledger.limits import Spending
from jupyter_gpu_bridge.rentals.ledger.rows import offer_of
from jupyter_gpu_bridge.rentals.ledger.spending import read_spending

_R, _D = tables.rentals, tables.days


class Sums(Chapter):
    def spending(self, now: datetime, *, is_pretend: bool = False) -> Spending:
        """What counts against the limits at this moment."""
        with self._database.reading() as connection:
            return read_spending(connection, now, is_pretend=is_pretend)

    def costs(self, by: CostsBy = "rental", since: date | None = None) -> Sequence[CostRow]:
        """Days in order, rentals as they were written down, providers by name; from that day of UTC on."""
        grouped: dict[CostsBy, tuple[ColumnElement[Any], ...]] = {
            "rental": (_R.c.attempt_id, _R.c.provider, _R.c.offer, _R.c.price, _R.c.is_pretend, _R.c.written),
            "provider": (_R.c.provider, _R.c.is_pretend),
            "day": (_D.c.day, _R.c.is_pretend),
        }
        ordered: dict[CostsBy, tuple[ColumnElement[Any], ...]] = {
            "rental": (_R.c.written, _R.c.attempt_id),
            "provider": (_R.c.provider, _R.c.is_pretend),
            "day": (_D.c.day, _R.c.is_pretend),
        }
        query: Select[Any] = (
            select(
                *grouped[by], func.sum(_D.c.cost).label("cost"), func.count(distinct(_R.c.attempt_id)).label("rentals")
            )
            .join_from(_D, _R, _R.c.attempt_id == _D.c.attempt_id)
            .group_by(*grouped[by])
            .order_by(*ordered[by])
        )
        if since is not None:
            query = query.where(_D.c.day >= _utc_day(since))
        with self._database.reading() as connection:
            return [_cost_row(by, row) for row in connection.execute(query).all()]


def _cost_row(by: CostsBy, row: Row[Any]) -> CostRow:
    if by == "day":
        return CostRow(row.day.isoformat(), "", "", row.rentals, row.cost, row.is_pretend)
    if by == "provider":
        return CostRow(row.provider, "", row.provider, row.rentals, row.cost, row.is_pretend)
    return CostRow(row.attempt_id, offer_of(row).title, row.provider, 1, row.cost, row.is_pretend)


def _utc_day(since: date) -> date:
    return since.astimezone(timezone.utc).date() if isinstance(since, datetime) else since
