from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from jupyter_gpu_bridge.db import open_database
from jupyter_gpu_bridge.settings import LEDGER_VARIABLE
from tests.own_home import own_home
from tests.postgres import Postgres

__all__ = ["own_home"]


@pytest.fixture(scope="session")
def sqlite_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "ledger.db"
    open_database(f"sqlite:///{path}")[0].close()
    return path


@pytest.fixture(scope="session")
def postgres_tables(postgres: Postgres) -> str:
    url = postgres.new_database()
    open_database(url)[0].close()
    return url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.needs("postgres"))])
def url(request: pytest.FixtureRequest, own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of an empty database, which is the ledger of this environment; each kind of them in turn."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_tables"), tmp_path / "ledger-market.db")
        url = f"sqlite:///{tmp_path / 'ledger.db'}"
    else:
        url = str(request.getfixturevalue("postgres_tables"))
        server: Postgres = request.getfixturevalue("postgres")
        server.execute("TRUNCATE market_looks, market_prices", url)
    monkeypatch.setenv(LEDGER_VARIABLE, url)
    return url
