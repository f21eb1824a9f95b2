"""The way to a database: its address, its program, and its tables as this code knows them or newer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_gpu_bridge.db.address import ledger_address
from jupyter_gpu_bridge.db.database import Database
from jupyter_gpu_bridge.db.postgres import PostgresDatabase
from jupyter_gpu_bridge.db.schema import bring_up_to_date
from jupyter_gpu_bridge.db.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from sqlalchemy import URL


def open_database(url: str | None = None, patience: int | None = None) -> tuple[Database, str]:
    """The database and the version of its tables. Raises `LedgerBroken`.

    `patience`: seconds to wait for another writer; few for those whose writing may as well not be done.
    """
    return _opened(ledger_address(url), patience)


def open_market(patience: int | None = None) -> Database:
    """Where it stands what was for sale. Raises `LedgerBroken`.

    Beside a ledger that is a file it is a file of its own: nobody who writes about money has to wait for it, and there
    is no ledger yet where somebody has only looked at offers. Otherwise it is the same database.
    """
    address = ledger_address()
    if isinstance(address, Path):
        address = address.with_name(f"{address.stem}-market{address.suffix}")
    return _opened(address, patience)[0]


def _opened(address: Path | URL, patience: int | None) -> tuple[Database, str]:
    database: Database = (
        SqliteDatabase(address, patience) if isinstance(address, Path) else PostgresDatabase(address, patience)
    )
    try:
        return database, bring_up_to_date(database)
    except BaseException:
        database.close()
        raise
