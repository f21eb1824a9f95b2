"""The tables' version, and how an older ledger is brought up to it. No step ever drops a row."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

import jupyter_gpu_bridge.migrations
from jupyter_gpu_bridge.db.database import Database
from jupyter_gpu_bridge.migrations import SCHEMA, VERSION_TABLE

MIGRATIONS = Path(jupyter_gpu_bridge.migrations.__file__).parent


def bring_up_to_date(database: Database, schema: str = SCHEMA, migrations: Path = MIGRATIONS) -> str:
    """The version that the tables have then: a newer one when newer code has been here. Raises `LedgerBroken`."""
    version = _version_of(database)
    if version is not None and version >= schema:
        return version
    with database.alone():
        version = _version_of(database)
        if version is not None and version >= schema:
            return version
        if version is not None:
            database.back_up(schema)
        with database.writing() as connection:
            _upgrade(connection, migrations)
            return read_version(connection) or schema


def _version_of(database: Database) -> str | None:
    if not database.exists():
        return None
    with database.reading() as connection:
        return read_version(connection) if inspect(connection).has_table(VERSION_TABLE) else None


def read_version(connection: Connection) -> str | None:
    """Versions are numbers of four digits, so they are in the order of their text."""
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - a constant
    return None if found is None else str(found)


def _upgrade(connection: Connection, migrations: Path) -> None:
    # Slow to import, and seldom needed.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
