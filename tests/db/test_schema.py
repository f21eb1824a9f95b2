"""The tables' versions, with steps that are yet to come."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Float, Numeric, inspect, text

from jupyter_gpu_bridge.db import SCHEMA, Database, open_database
from jupyter_gpu_bridge.db.indexes import metadata
from jupyter_gpu_bridge.db.schema import MIGRATIONS, bring_up_to_date
from jupyter_gpu_bridge.errors import LedgerBroken
from jupyter_gpu_bridge.migrations import VERSION_TABLE
from jupyter_gpu_bridge.model import RentalState
from jupyter_gpu_bridge.rentals.ledger import Ledger
from tests.rentals.ledger.scene import NOON, Scene

NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "0099"
down_revision = "{schema}"

def upgrade():
    op.add_column("ledger_rentals", sa.Column("mood", sa.Text, nullable=False, server_default="good"))
    {more}
"""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.needs("postgres"))])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where there is no ledger yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    return str(request.getfixturevalue("postgres").new_database())


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database, version = open_database(url)
    assert version == SCHEMA
    yield database
    database.close()


def migrations_to_come(folder: Path, more: str = "") -> Path:
    there = folder / "migrations"
    shutil.copytree(MIGRATIONS, there)
    (there / "versions" / "v0099_next.py").write_text(NEXT.format(schema=SCHEMA, more=more))
    return there


def test_the_steps_make_the_tables_that_the_code_knows(database: Database) -> None:
    with database.reading() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "target_metadata": metadata}
        )
        assert compare_metadata(context, metadata) == []
        indexes = inspect(connection).get_indexes("ledger_wishes")
        assert [index["name"] for index in indexes if index["unique"]] == ["ledger_one_open_wish"]


def test_the_version_is_that_of_the_last_step() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [SCHEMA]


def test_no_column_holds_a_fraction() -> None:
    for table in metadata.tables.values():
        for column in table.columns:
            impl = getattr(column.type, "impl", column.type)
            assert not isinstance(impl, Float | Numeric), f"{table}.{column.name}"


def test_no_step_takes_anything_away() -> None:
    steps = sorted((MIGRATIONS / "versions").glob("v*.py"))
    assert steps
    for step in steps:
        said = step.read_text().casefold()
        assert not re.search(r"drop_|delete|truncate", said), step.name
        assert re.search(r"def downgrade\(\) -> none:\n    raise", said), step.name


def test_a_ledger_that_is_up_to_date_is_opened_without_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    program = (
        "import sys\n"
        "from jupyter_gpu_bridge.rentals.ledger import Ledger\n"
        f"Ledger.open({url!r}).close()\n"
        "print('alembic' in sys.modules)\n"
    )
    ran = [
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60).stdout
        for _ in range(2)
    ]
    assert ran == ["True\n", "False\n"]


def test_the_files_are_private(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    database, _ = open_database(f"sqlite:///{path}")
    with database.writing():
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
    database.close()
    assert modes == {name: 0o600 for name in ("ledger.db", "ledger.db-shm", "ledger.db-wal", "ledger.db.lock")}


def test_an_older_ledger_is_kept_as_a_copy_and_brought_up(url: str, database: Database, tmp_path: Path) -> None:
    with Ledger.open(url) as ledger:
        rental = Scene(ledger).rental()
    assert bring_up_to_date(database, "0099", migrations_to_come(tmp_path)) == "0099"
    with database.reading() as connection:
        assert connection.execute(text("SELECT mood FROM ledger_rentals")).scalars().all() == ["good"]
    assert bring_up_to_date(database, "0099", tmp_path / "nowhere") == "0099"
    with Ledger.open(url) as ledger:
        assert ledger.rentals() == [rental]
    if url.startswith("sqlite"):
        copy = tmp_path / "ledger-before-0099.db"
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        with Ledger.open(f"sqlite:///{copy}") as before:
            assert not before.is_newer
            assert before.rentals() == [rental]


def test_a_step_that_fails_has_changed_nothing(url: str, database: Database, tmp_path: Path) -> None:
    with Ledger.open(url) as ledger:
        rental = Scene(ledger).rental()
    failing = migrations_to_come(tmp_path, more='op.execute("SELECT nonsense FROM nowhere")')
    with pytest.raises(LedgerBroken):
        bring_up_to_date(database, "0099", failing)
    with database.reading() as connection:
        assert "mood" not in {column["name"] for column in inspect(connection).get_columns("ledger_rentals")}
    with Ledger.open(url) as ledger:
        assert not ledger.is_newer
        assert ledger.rentals() == [rental]


def test_without_room_for_a_copy_nothing_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database, _ = open_database(f"sqlite:///{tmp_path / 'ledger.db'}")

    def no_room(_before: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(database, "back_up", no_room)
    with pytest.raises(LedgerBroken, match="its disk is full or broken"):
        bring_up_to_date(database, "0099", migrations_to_come(tmp_path))
    with database.reading() as connection:
        assert connection.execute(text("SELECT version_num FROM ledger_version")).scalar() == SCHEMA
    database.close()


def test_in_a_newer_ledger_all_is_read_and_ended_and_nothing_rented(
    url: str, database: Database, tmp_path: Path
) -> None:
    with Ledger.open(url) as ledger:
        rental = Scene(ledger).rental()
    bring_up_to_date(database, "0099", migrations_to_come(tmp_path))
    with Ledger.open(url) as ledger:
        assert ledger.is_newer
        scene = Scene(ledger)
        assert ledger.rentals() == [rental]
        wish = scene.wish("profile:other")
        with pytest.raises(LedgerBroken, match="newer version") as raised:
            scene.intend(wish)
        assert raised.value.billing == "Nothing new was rented; what is rented can be seen and ended here."
        ledger.advance(rental.attempt_id, RentalState.RELEASING, now=NOON)
        assert ledger.advance(rental.attempt_id, RentalState.GONE, now=NOON).gone == NOON


def test_newer_code_may_come_while_we_are_here(url: str, database: Database, tmp_path: Path) -> None:
    with Ledger.open(url) as ledger:
        scene = Scene(ledger)
        rental = scene.rental()
        bring_up_to_date(database, "0099", migrations_to_come(tmp_path))
        assert ledger.rentals() == [rental]
        with pytest.raises(LedgerBroken, match="newer version"):
            scene.intend(scene.wish("profile:other"))


def test_our_tables_may_stand_beside_those_of_others(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "shared.db"
    other = sqlite3.connect(path)
    other.executescript("CREATE TABLE alembic_version (version_num); INSERT INTO alembic_version VALUES ('f00d');")
    other.close()
    with Ledger.open(f"sqlite:///{path}") as ledger:
        assert not ledger.is_newer
        Scene(ledger).rental()
