"""The way to a database: its address, its program, and its tables as this code knows them or newer."""

from __future__ import annotations

from pathlib import Path

from jupyter_gpu_bridge.db.address import ledger_address
from jupyter_gpu_bridge.db.database import Database
from jupyter_gpu_bridge.db.postgres import PostgresDatabase
from jupyter_gpu_bridge.db.schema import bring_up_to_date
from jupyter_gpu_bridge.db.sqlite import SqliteDatabase


def open_database(url: str | None = None, patience: int | None = None) -> tuple[Database, str]:
    """The database and the version of its tables. Raises `LedgerBroken`.

    `patience`: seconds to wait for another writer; few for those whose writing may as well not be done.
    """
    address = ledger_address(url)
    database: Database = (
        SqliteDatabase(address, patience) if isinstance(address, Path) else PostgresDatabase(address, patience)
    )
    try:
        return database, bring_up_to_date(database)
    except BaseException:
        database.close()
        raise
