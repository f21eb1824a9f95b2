"""The indexes of the tables; apart, since they bring all that SQLAlchemy knows of PostgreSQL."""

from __future__ import annotations

from sqlalchemy import Index, and_

from jupyter_gpu_bridge.db.tables import days, events, gpu_checks, metadata, outcomes, rentals, stages, wishes

__all__ = ["metadata"]

Index(
    "ledger_one_open_wish",
    wishes.c.installation,
    wishes.c.key,
    unique=True,
    sqlite_where=wishes.c.closed.is_(None),
    postgresql_where=wishes.c.closed.is_(None),
)

_FILLS_ITS_WISH = and_(rentals.c.state != "gone", rentals.c.resurrected.is_(None))
"""One that its provider brought back is only to be destroyed: it must not stand in the way of its successor."""

Index(
    "ledger_one_attempt_at_a_time",
    rentals.c.wish_id,
    unique=True,
    sqlite_where=_FILLS_ITS_WISH,
    postgresql_where=_FILLS_ITS_WISH,
)
Index("ledger_rentals_name", rentals.c.name, unique=True)
Index("ledger_rentals_state", rentals.c.state)
Index("ledger_rentals_wish", rentals.c.wish_id)
Index("ledger_rentals_written", rentals.c.written)

Index("ledger_days_day", days.c.day)
Index("ledger_events_wish", events.c.wish_id)
Index("ledger_stages_place", stages.c.provider, stages.c.gpu)

Index("market_outcomes_once", outcomes.c.attempt_id, outcomes.c.what, unique=True)
Index("market_outcomes_place", outcomes.c.provider, outcomes.c.at)
Index("market_gpu_checks_place", gpu_checks.c.provider, gpu_checks.c.at)
