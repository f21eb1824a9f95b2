"""The cloud's memory: one SQLite file that survives a kill at any instant."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jupyter_gpu_bridge.sandbox.records import Record

_MOST_ENTRIES = 20_000

_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, content TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS accounts (account TEXT PRIMARY KEY, title TEXT NOT NULL, key TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS machines (id TEXT PRIMARY KEY, content TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS log (number INTEGER PRIMARY KEY, content TEXT NOT NULL);
"""


class Store:
    """Every write is on the disk when its call returns."""

    def __init__(self, path: Path) -> None:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.executescript(_TABLES)

    def close(self) -> None:
        self._database.close()

    # single facts --------------------------------------------------------------------------------------------------

    def fact(self, name: str) -> Any:
        row = self._database.execute("SELECT content FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def note(self, name: str, content: object) -> None:
        self._database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(content)))

    # accounts ------------------------------------------------------------------------------------------------------

    def accounts(self) -> Sequence[tuple[str, str, str]]:
        """Id, title and key of each."""
        return self._database.execute("SELECT account, title, key FROM accounts ORDER BY rowid").fetchall()

    def add_account(self, account: str, title: str, key: str) -> None:
        self._database.execute("INSERT INTO accounts VALUES (?, ?, ?)", (account, title, key))

    def change_key(self, account: str, key: str) -> None:
        self._database.execute("UPDATE accounts SET key = ? WHERE account = ?", (key, account))

    # machines ------------------------------------------------------------------------------------------------------

    def machines(self) -> Sequence[Record]:
        rows = self._database.execute("SELECT content FROM machines ORDER BY rowid").fetchall()
        return [Record.read(json.loads(row[0])) for row in rows]

    def save(self, record: Record) -> None:
        content = json.dumps(record.plain())
        self._database.execute(
            "INSERT INTO machines VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET content = excluded.content",
            (record.machine_id, content),
        )

    # what was asked ------------------------------------------------------------------------------------------------

    def log(self, entry: dict[str, object]) -> None:
        number = self._database.execute("INSERT INTO log (content) VALUES (?)", (json.dumps(entry),)).lastrowid
        self._database.execute("DELETE FROM log WHERE number <= ?", ((number or 0) - _MOST_ENTRIES,))

    def logged(self, after: int) -> list[dict[str, object]]:
        with contextlib.closing(
            self._database.execute("SELECT number, content FROM log WHERE number > ? ORDER BY number", (after,))
        ) as rows:
            return [{"number": number, **json.loads(content)} for number, content in rows]
