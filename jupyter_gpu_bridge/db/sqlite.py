"""The ledger as a file of this user."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, NullPool, QueuePool, create_engine, event, text
from sqlalchemy.exc import DBAPIError

from jupyter_gpu_bridge.db.database import Database
from jupyter_gpu_bridge.db.trouble import BILLING, broken
from jupyter_gpu_bridge.errors import LedgerBroken, LedgerReplaced
from jupyter_gpu_bridge.files import exclusive

_PATIENCE = 10.0
"""Seconds to wait for another writer; each writes for milliseconds only."""


class SqliteDatabase(Database):
    """WAL, so that readers and the writer do not wait for each other; synchronised in full at every commit."""

    def __init__(self, path: Path, patience: float | None = None) -> None:
        super().__init__(_engine(path, patience or _PATIENCE), str(path))
        self._path = path
        self._frozen = _frozen_engine(path)
        self._identity: tuple[int, int] | None = None

    def exists(self) -> bool:
        return self._path.exists()

    def close(self) -> None:
        super().close()
        self._frozen.dispose()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with exclusive(self._path.with_name(f"{self._path.name}.lock")):
                _make(self._path)
                yield
        except (OSError, sqlite3.Error) as error:
            raise _unusable(self.place, error) from None

    def back_up(self, before: str) -> None:
        """A copy beside it, which no later version replaces."""
        copy = self._path.with_name(f"{self._path.stem}-before-{before}{self._path.suffix}")
        draft = copy.with_name(f"{copy.name}.new")
        draft.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_CREAT | os.O_WRONLY, 0o600))
        with (
            contextlib.closing(sqlite3.connect(self._path)) as source,
            contextlib.closing(sqlite3.connect(draft)) as target,
        ):
            source.backup(target)
        os.replace(draft, copy)

    @contextlib.contextmanager
    def _reader(self) -> Iterator[Connection]:
        self._require_the_same_file()
        with self._open_to_read() as connection:
            yield connection

    @contextlib.contextmanager
    def _writer(self) -> Iterator[Connection]:
        self._require_the_same_file()
        with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection

    def _open_to_read(self) -> Connection:
        try:
            return _proven(self._engine.connect())
        except DBAPIError as error:
            if "locked" in str(error.orig) or self._has_unmerged_writes():
                raise
            # Readers of a WAL file need to write beside it, which they cannot on a full or read-only disk.
            return self._frozen.connect()

    def _has_unmerged_writes(self) -> bool:
        """What stands in the write-ahead log only, a connection that cannot write would not see."""
        try:
            return self._path.with_name(f"{self._path.name}-wal").stat().st_size > 0
        except FileNotFoundError:
            return False
        except OSError:
            return True

    def _require_the_same_file(self) -> None:
        """A file that was deleted goes on working for those who have it open: what they write is lost."""
        try:
            found = self._path.stat()
        except OSError as error:
            raise _unusable(self.place, error) from None
        identity = (found.st_dev, found.st_ino)
        if self._identity is None:
            self._identity = identity
        if self._identity != identity:
            raise LedgerReplaced(
                f"The ledger ({self.place}) was replaced by another file while it was in use.",
                billing=BILLING,
                advice="Restart Jupyter, and look at what is rented: jupyter gpu ls",
            )


def _proven(connection: Connection) -> Connection:
    """That it can read, which shows with the first page only."""
    try:
        connection.execute(text("SELECT 1 FROM sqlite_master LIMIT 1")).all()
    except BaseException:
        connection.close()
        raise
    return connection


def _engine(path: Path, patience: float) -> Engine:
    def connect() -> sqlite3.Connection:
        # `rw`: never make an empty file in place of one that is gone.
        connection = sqlite3.connect(
            _uri(path, "mode=rw"), uri=True, timeout=patience, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A writer takes its place at once: one that first reads may find that another has written meanwhile.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _frozen_engine(path: Path) -> Engine:
    """For a file that nobody can write now; each connection is new, for it may be writable the next moment."""

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(_uri(path, "mode=ro&immutable=1"), uri=True, check_same_thread=False)

    return create_engine("sqlite://", creator=connect, poolclass=NullPool)


def _make(path: Path) -> None:
    """The file, private and in WAL mode; nothing happens to one that is."""
    if not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        _synchronise(path.parent)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        path.chmod(0o600)
    with contextlib.closing(sqlite3.connect(_uri(path, "mode=rw"), uri=True, timeout=_PATIENCE)) as connection:
        connection.execute("PRAGMA journal_mode = WAL").fetchall()


def _synchronise(folder: Path) -> None:
    """A new file survives a power cut only when its folder has been written as well."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _uri(path: Path, options: str) -> str:
    return f"file:{quote(str(path))}?{options}"


def _unusable(place: str, error: Exception) -> LedgerBroken:
    if isinstance(error, FileNotFoundError):
        return broken(place, sqlite3.OperationalError(f"unable to open: {error.strerror}"))
    if isinstance(error, PermissionError):
        return broken(place, sqlite3.OperationalError(f"readonly: {error.strerror}"))
    if isinstance(error, OSError):
        return broken(place, sqlite3.OperationalError(f"disk i/o error: {error.strerror}"))
    return broken(place, error)
