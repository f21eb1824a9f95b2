"""Databases that cannot: each is a sentence, and whatever can still be read is read."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from jupyter_gpu_bridge.db import open_database, postgres, sqlite
from jupyter_gpu_bridge.errors import LedgerBroken
from jupyter_gpu_bridge.model import RentalState
from jupyter_gpu_bridge.rentals.ledger import Ledger
from tests.postgres import Postgres
from tests.rentals.ledger.scene import NOON, ORDER, Scene
from tests.small_disk import play_on_small_disk

only_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)
only_postgres = pytest.mark.parametrize(
    "url", [pytest.param("postgres", marks=pytest.mark.needs("postgres"))], indirect=True
)


def refused(call: Callable[[], object], *words: str) -> LedgerBroken:
    with pytest.raises(LedgerBroken) as raised:
        call()
    error = raised.value
    assert all(word in error.what for word in words), error.what
    assert error.advice
    assert error.billing
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__
    return error


# SQLite --------------------------------------------------------------------------------------------------------------


@only_sqlite
def test_a_writer_that_does_not_end(url: str, scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rental = scene.rental()
    monkeypatch.setattr(sqlite, "_PATIENCE", 0.1)
    with closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with Ledger.open(url) as ledger:
            refused(lambda: ledger.wish("b", ORDER, "ada", NOON), str(tmp_path), "kept busy by another program")
            assert ledger.rentals() == [rental]
            other.execute("COMMIT")
            ledger.wish("b", ORDER, "ada", NOON)


@pytest.mark.parametrize("content", [b"This is a letter to my aunt. " * 99, b"SQLite format 3\0" + bytes(4096)])
def test_a_file_that_is_no_ledger_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(content)
    refused(lambda: Ledger.open(f"sqlite:///{path}"), "is not a ledger, or is damaged")
    assert path.read_bytes() == content


@only_sqlite
def test_a_damaged_page_is_said(url: str, scene: Scene, tmp_path: Path) -> None:
    scene.rental()
    scene.ledger.close()
    path = tmp_path / "ledger.db"
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)
    refused(lambda: Ledger.open(url).rentals(), "is damaged")
    refused(lambda: scene.wish("b"), "is damaged")


@only_sqlite
def test_a_file_that_disappears_or_is_replaced_is_said_and_not_made_anew(
    url: str, scene: Scene, tmp_path: Path
) -> None:
    scene.rental()
    path = tmp_path / "ledger.db"
    path.rename(tmp_path / "moved.db")
    refused(lambda: scene.wish("b"), "cannot be opened")
    refused(scene.ledger.rentals, "cannot be opened")
    assert not path.exists()
    Ledger.open(url).close()
    refused(lambda: scene.wish("b"), "replaced by another file")
    refused(scene.ledger.rentals, "replaced by another file")


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(lambda: Ledger.open(f"sqlite:///{tmp_path / 'file' / 'ledger.db'}"))


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_a_disk_that_takes_nothing_more(tmp_path: Path, trouble: str) -> None:
    play_on_small_disk(tmp_path, "tests.rentals.ledger.small_disk", trouble)


# PostgreSQL ----------------------------------------------------------------------------------------------------------


@only_postgres
def test_a_writer_that_does_not_end_on_the_server(
    url: str, ledger: Ledger, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    rental = scene.rental()
    monkeypatch.setattr(postgres, "_PATIENCE", 1)
    other, _ = open_database(url)
    with Ledger.open(url) as hasty, other.writing():
        refused(lambda: hasty.wish("b", ORDER, "ada", NOON), "kept busy by another program")
        assert hasty.rentals() == [rental]
    other.close()
    ledger.wish("b", ORDER, "ada", NOON)


@only_postgres
def test_a_server_that_was_restarted_is_no_trouble(url: str, scene: Scene, postgres: Postgres) -> None:
    rental = scene.rental()
    postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()", url)
    assert scene.ledger.rentals() == [rental]
    scene.wish("b")


@only_postgres
def test_a_server_that_takes_nothing_more(url: str, scene: Scene, postgres: Postgres) -> None:
    rental = scene.rental()
    name = make_url(url).database
    postgres.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    try:
        with Ledger.open(url) as ledger:
            refused(lambda: ledger.wish("b", ORDER, "ada", NOON), "the server is read-only")
            refused(lambda: ledger.advance(rental.attempt_id, RentalState.RELEASING, now=NOON), "read-only")
            assert ledger.rentals() == [rental]
    finally:
        postgres.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")


@only_postgres
def test_tables_that_are_missing_are_said(url: str, scene: Scene, postgres: Postgres) -> None:
    postgres.execute("ALTER TABLE ledger_rentals RENAME TO elsewhere", url)
    try:
        refused(scene.ledger.rentals, "has not the tables")
    finally:
        postgres.execute("ALTER TABLE elsewhere RENAME TO ledger_rentals", url)


@pytest.mark.needs("postgres")
def test_a_database_that_is_not_there(postgres: Postgres) -> None:
    refused(lambda: Ledger.open(postgres.url("nowhere")), "nowhere", "no such database")


@pytest.mark.needs("postgres")
def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    refused(lambda: Ledger.open(f"postgresql://me:sesame@/x?host={tmp_path}"), "cannot be reached")


@pytest.mark.needs("postgres")
def test_a_commit_is_on_the_disk_of_a_hasty_server(url: str) -> None:
    if url.startswith("sqlite"):
        expected, query = "2", "PRAGMA synchronous"
    else:
        expected, query = "on", "SHOW synchronous_commit"
    database, _ = open_database(url)
    with database.writing() as connection:
        assert str(connection.execute(text(query)).scalar()) == expected
    database.close()
