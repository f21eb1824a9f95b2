"""Holds the place of the price history, which is built beside this: nothing is here, and this file is not to stay."""

from __future__ import annotations

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """The tables come with the file that takes this one's place."""


def downgrade() -> None:
    raise NotImplementedError("a ledger is never taken back: rows would be lost")
