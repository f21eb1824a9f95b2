from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_gpu_bridge.rentals.ledger import Ledger
from tests.postgres import Postgres
from tests.rentals.ledger.scene import Scene

_TABLES = (
    "ledger_wishes, ledger_rentals, ledger_days, ledger_events, ledger_stages, ledger_hosts, ledger_locks, "
    "market_outcomes, market_gpu_checks"
)


@pytest.fixture(scope="session")
def sqlite_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With its tables, and nothing in them."""
    path = tmp_path_factory.mktemp("sqlite") / "ledger.db"
    Ledger.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture(scope="session")
def postgres_ledger(postgres: Postgres) -> str:
    url = postgres.new_database()
    Ledger.open(url).close()
    return url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.needs("postgres"))])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty ledger; what asks for it runs on each kind of database. Tables take long to make: only once."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_ledger"), tmp_path / "ledger.db")
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    url = str(request.getfixturevalue("postgres_ledger"))
    server: Postgres = request.getfixturevalue("postgres")
    server.execute(f"TRUNCATE {_TABLES}", url)
    return url


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    with Ledger.open(url) as ledger:
        yield ledger


@pytest.fixture
def scene(ledger: Ledger) -> Scene:
    return Scene(ledger)
