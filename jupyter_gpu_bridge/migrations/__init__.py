"""The ground: how the ledger's tables came to be, step by step. Steps add; none takes away what was written."""

from __future__ import annotations

SCHEMA = "0003"
"""The version that this code writes; the newest of these steps."""

VERSION_TABLE = "ledger_version"
