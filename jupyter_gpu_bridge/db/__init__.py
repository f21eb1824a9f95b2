"""The ground: the ledger's tables and the databases that hold them. Brings SQLAlchemy: import it late."""

from __future__ import annotations

from jupyter_gpu_bridge.db.database import Database
from jupyter_gpu_bridge.db.opening import open_database, open_market
from jupyter_gpu_bridge.db.schema import read_version
from jupyter_gpu_bridge.migrations import SCHEMA

__all__ = ["SCHEMA", "Database", "open_database", "open_market", "read_version"]
