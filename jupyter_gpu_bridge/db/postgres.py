"""The ledger of a team, in PostgreSQL."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, text

from jupyter_gpu_bridge.db.address import shown
from jupyter_gpu_bridge.db.database import Database
from jupyter_gpu_bridge.errors import LedgerBroken

if TYPE_CHECKING:
    from psycopg import Connection as Driver

_PATIENCE = 10
"""Seconds to wait for the server, and for another writer."""

_WRITERS = 0x6770756272696467
"""The advisory lock that whoever writes the ledger holds until it has committed."""


class PostgresDatabase(Database):
    """Writers come one after another, as with SQLite: a limit on money is then a plain sum."""

    def __init__(self, url: URL, patience: int | None = None) -> None:
        super().__init__(_engine(url, patience or _PATIENCE), shown(url), _secrets(url))

    def exists(self) -> bool:
        return True

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        yield  # each transaction that writes is alone

    def back_up(self, before: str) -> None:
        """A team's server has backups of its own."""

    @contextlib.contextmanager
    def _reader(self) -> Iterator[Connection]:
        with self._engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            yield connection

    @contextlib.contextmanager
    def _writer(self) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:writers)"), {"writers": _WRITERS})
            yield connection


def _engine(url: URL, patience: int) -> Engine:
    # Poolers between here and the server cannot all prepare statements.
    arguments: dict[str, int | None] = {"connect_timeout": patience, "prepare_threshold": None}
    try:
        engine = create_engine(
            url,
            # Whoever waits for the lock must see what its holder has written, whatever the server's default is.
            isolation_level="READ COMMITTED",
            pool_pre_ping=True,  # a server that was restarted has cut what the pool holds
            connect_args={name: value for name, value in arguments.items() if name not in url.query},
        )
    except ImportError:
        raise LedgerBroken(
            "The ledger is to be kept by PostgreSQL, and what speaks to it is not installed.",
            billing="Nothing was rented or ended.",
            advice="pip install 'jupyter-gpu-bridge[postgres]'",
        ) from None
    event.listen(engine, "connect", lambda driver, _record: _prepare(driver, patience))
    return engine


def _prepare(driver: Driver[Any], patience: int) -> None:
    """Called for each new connection. A commit is on the server's disk, even where it is set up to be hasty."""
    driver.autocommit = True
    driver.execute("SET TIME ZONE 'UTC'")
    driver.execute(f"SET lock_timeout = '{patience}s'")
    driver.execute(
        "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
    )
    driver.autocommit = False


def _secrets(url: URL) -> tuple[str, ...]:
    options = [value for name, value in url.query.items() if "pass" in name and isinstance(value, str)]
    return tuple(secret for secret in (str(url.password or ""), *options) if secret)
