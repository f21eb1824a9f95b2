from __future__ import annotations

from tests.rentals.ledger.conftest import ledger, postgres_ledger, scene, sqlite_ledger, url

__all__ = ["ledger", "postgres_ledger", "scene", "sqlite_ledger", "url"]
