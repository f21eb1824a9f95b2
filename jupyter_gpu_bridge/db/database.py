"""A database that holds a ledger, whichever program keeps it: it is read or written in whole transactions only."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager

from sqlalchemy import Connection, Engine

from jupyter_gpu_bridge.db.trouble import in_plain_words


class Database(ABC):
    """May be used by any thread. Whatever goes wrong is raised as `LedgerBroken`, and then nothing was written."""

    def __init__(self, engine: Engine, place: str, secrets: Collection[str] = ()) -> None:
        self.place = place
        """For people."""
        self._engine = engine
        self._secrets = secrets

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """All that is read within is of one moment."""
        with in_plain_words(self.place, self._secrets), self._reader() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """One writer at a time, over all processes and computers: what is read within stays true until it is written.

        On the disk when this returns.
        """
        with in_plain_words(self.place, self._secrets), self._writer() as connection:
            yield connection

    def close(self) -> None:
        self._engine.dispose()

    @abstractmethod
    def exists(self) -> bool:
        """Whether there may be something to read."""

    @abstractmethod
    def alone(self) -> AbstractContextManager[None]:
        """Nobody else changes the tables meanwhile; the database exists within."""

    @abstractmethod
    def back_up(self, before: str) -> None:
        """Called before tables are changed; `before`: the version to come."""

    @abstractmethod
    def _reader(self) -> AbstractContextManager[Connection]: ...

    @abstractmethod
    def _writer(self) -> AbstractContextManager[Connection]: ...
