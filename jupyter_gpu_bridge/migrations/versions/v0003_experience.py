"""What became of rentals, host by host, and what their GPUs were measured to do."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_COUNTER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "market_outcomes",
        sa.Column("number", _COUNTER, primary_key=True, autoincrement=True),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("gpu", sa.Text, nullable=False),
        sa.Column("attempt_id", sa.Text, sa.ForeignKey("ledger_rentals.attempt_id"), nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
    )
    op.create_index("market_outcomes_once", "market_outcomes", ["attempt_id", "what"], unique=True)
    op.create_index("market_outcomes_place", "market_outcomes", ["provider", "at"])
    op.create_table(
        "market_gpu_checks",
        sa.Column("number", _COUNTER, primary_key=True, autoincrement=True),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("gpu", sa.Text, nullable=False),
        sa.Column("attempt_id", sa.Text, sa.ForeignKey("ledger_rentals.attempt_id"), nullable=False),
        sa.Column("device", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("memory_mib", sa.BigInteger),
        sa.Column("is_another", sa.Boolean, nullable=False),
        sa.Column("mb_per_second", sa.BigInteger, nullable=False),
        sa.Column("mb_per_second_claimed", sa.BigInteger),
        sa.Column("gflops", sa.BigInteger, nullable=False),
        sa.Column("gflops_claimed", sa.BigInteger),
        sa.Column("format", sa.Text, nullable=False),
        sa.Column("torch", sa.Text, nullable=False),
    )
    op.create_index("market_gpu_checks_place", "market_gpu_checks", ["provider", "at"])


def downgrade() -> None:
    raise NotImplementedError("a ledger is never taken back: rows would be lost")
