"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_COUNTER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TIME = sa.DateTime(timezone=True)
_MONEY = sa.BigInteger()
_OPEN = sa.text("closed IS NULL")
_FILLS_ITS_WISH = sa.text("state != 'gone' AND resurrected IS NULL")


def upgrade() -> None:
    op.create_table(
        "ledger_wishes",
        sa.Column("wish_id", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("wanted", sa.Text, nullable=False),
        sa.Column("asked", _TIME, nullable=False),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.Column("installation", sa.Text, nullable=False),
        sa.Column("closed", _TIME),
        sa.Column("closed_because", sa.Text, nullable=False),
    )
    op.create_index(
        "ledger_one_open_wish",
        "ledger_wishes",
        ["installation", "key"],
        unique=True,
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )
    op.create_table(
        "ledger_rentals",
        sa.Column("attempt_id", sa.Text, primary_key=True),
        sa.Column("wish_id", sa.Text, sa.ForeignKey("ledger_wishes.wish_id"), nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("offer", sa.Text, nullable=False),
        sa.Column("is_pretend", sa.Boolean, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("price", _MONEY, nullable=False),
        sa.Column("cap", _MONEY),
        sa.Column("worst_case", _MONEY, nullable=False),
        sa.Column("accrued", _MONEY, nullable=False),
        sa.Column("deadline", _TIME, nullable=False),
        sa.Column("written", _TIME, nullable=False),
        sa.Column("requested", _TIME),
        sa.Column("created", _TIME),
        sa.Column("accrued_until", _TIME),
        sa.Column("gone", _TIME),
        sa.Column("resurrected", _TIME),
        sa.Column("ref", sa.Text),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("port", sa.Integer, nullable=False),
        sa.Column("login", sa.Text, nullable=False),
        sa.Column("host_key", sa.Text, nullable=False),
        sa.Column("lease_until", _TIME),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_index(
        "ledger_one_attempt_at_a_time",
        "ledger_rentals",
        ["wish_id"],
        unique=True,
        sqlite_where=_FILLS_ITS_WISH,
        postgresql_where=_FILLS_ITS_WISH,
    )
    op.create_index("ledger_rentals_name", "ledger_rentals", ["name"], unique=True)
    op.create_index("ledger_rentals_state", "ledger_rentals", ["state"])
    op.create_index("ledger_rentals_wish", "ledger_rentals", ["wish_id"])
    op.create_index("ledger_rentals_written", "ledger_rentals", ["written"])
    op.create_table(
        "ledger_days",
        sa.Column("attempt_id", sa.Text, sa.ForeignKey("ledger_rentals.attempt_id"), primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("cost", _MONEY, nullable=False),
    )
    op.create_index("ledger_days_day", "ledger_days", ["day"])
    op.create_table(
        "ledger_events",
        sa.Column("number", _COUNTER, primary_key=True, autoincrement=True),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("wish_id", sa.Text, sa.ForeignKey("ledger_wishes.wish_id"), nullable=False),
        sa.Column("attempt_id", sa.Text, sa.ForeignKey("ledger_rentals.attempt_id")),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_index("ledger_events_wish", "ledger_events", ["wish_id"])
    op.create_table(
        "ledger_stages",
        sa.Column("number", _COUNTER, primary_key=True, autoincrement=True),
        sa.Column("attempt_id", sa.Text, sa.ForeignKey("ledger_rentals.attempt_id"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("took", sa.BigInteger, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("gpu", sa.Text, nullable=False),
    )
    op.create_index("ledger_stages_place", "ledger_stages", ["provider", "gpu"])
    op.create_table(
        "ledger_hosts",
        sa.Column("provider", sa.Text, primary_key=True),
        sa.Column("host", sa.Text, primary_key=True),
        sa.Column("until", _TIME, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
    )
    op.create_table(
        "ledger_locks",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("heartbeat", _TIME, nullable=False),
        sa.Column("until", _TIME, nullable=False),
    )


def downgrade() -> None:
    raise NotImplementedError("a ledger is never taken back: rows would be lost")
