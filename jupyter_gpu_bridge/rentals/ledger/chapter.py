"""What the chapters of the ledger have in common: the database that all of them write in."""

from __future__ import annotations

from jupyter_gpu_bridge.db import Database


class Chapter:
    """Every public method is one transaction; `now` is the caller's clock, with its time zone."""

    def __init__(self, database: Database, version: str) -> None:
        self._database = database
        self._version = version

    @property
    def version(self) -> str:
        """Of the tables."""
        return self._version
