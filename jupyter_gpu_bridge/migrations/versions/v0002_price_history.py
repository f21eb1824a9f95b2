"""What the market offered, and when anybody looked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_TIME = sa.DateTime(timezone=True)
_MONEY = sa.BigInteger()


def upgrade() -> None:
    op.create_table(
        "market_looks",
        sa.Column("provider", sa.Text, primary_key=True),
        sa.Column("is_spot", sa.Boolean, primary_key=True),
        sa.Column("since", _TIME, primary_key=True),
        sa.Column("until", _TIME, nullable=False),
    )
    op.create_table(
        "market_prices",
        sa.Column("provider", sa.Text, primary_key=True),
        sa.Column("gpu", sa.Text, primary_key=True),
        sa.Column("is_spot", sa.Boolean, primary_key=True),
        sa.Column("at", _TIME, primary_key=True),
        sa.Column("low", _MONEY),
        sa.Column("median", _MONEY),
        sa.Column("high", _MONEY),
        sa.Column("offers", sa.Integer, nullable=False),
        sa.Column("is_pretend", sa.Boolean, nullable=False),
    )


def downgrade() -> None:
    raise NotImplementedError("a ledger is never taken back: rows would be lost")
