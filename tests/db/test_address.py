from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from jupyter_gpu_bridge.db import open_database
from jupyter_gpu_bridge.db.address import ledger_address, shown
from jupyter_gpu_bridge.errors import LedgerBroken
from jupyter_gpu_bridge.settings import LEDGER_VARIABLE

SECRET = "sesame-open"


def test_by_default_it_is_a_file_of_this_user(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LEDGER_VARIABLE, raising=False)
    assert ledger_address() == own_home / "bridge" / "ledger.db"
    monkeypatch.setenv(LEDGER_VARIABLE, "sqlite:////srv/team/ledger.db")
    assert ledger_address() == Path("/srv/team/ledger.db")
    assert ledger_address("sqlite:///here.db") == Path.cwd() / "here.db"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg", "postgresql+asyncpg"])
def test_postgresql_is_spoken_to_with_psycopg(scheme: str) -> None:
    address = ledger_address(f"{scheme}://ada:{SECRET}@db.example:6543/team?password={SECRET}")
    assert not isinstance(address, Path)
    assert (address.drivername, address.password) == ("postgresql+psycopg", SECRET)
    assert shown(address) == "team on db.example"


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://ada:{SECRET}@db.example/team",
        f"postgresql//ada:{SECRET}@db.example/team",
        f"{SECRET}",
        f"postgresql://ada:{SECRET}@db.example:port/team",
        f"oracle+thing://ada:{SECRET}@db.example/team",
        "sqlite://",
        "sqlite:///:memory:",
    ],
)
def test_what_cannot_hold_a_ledger_is_refused_without_a_word_of_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LEDGER_VARIABLE, url)
    with pytest.raises(LedgerBroken, match="ledger") as raised:
        ledger_address()
    assert raised.value.advice.startswith("Write postgresql://")
    assert SECRET not in everything_about(raised.value)


@pytest.mark.parametrize("place", [f":{SECRET}@127.0.0.1:1/x", f"@127.0.0.1:1/x?password={SECRET}"])
def test_a_password_is_in_no_error(place: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(LedgerBroken, match=r"x on 127\.0\.0\.1.* cannot be reached") as raised:
        open_database(f"postgresql://ada{place}")
    assert SECRET not in everything_about(raised.value)
    assert SECRET not in caplog.text


def test_without_the_driver_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(LedgerBroken, match="not installed") as raised:
        open_database("postgresql://ada@db.example/team")
    assert raised.value.advice == "pip install 'jupyter-gpu-bridge[postgres]'"


def everything_about(error: LedgerBroken) -> str:
    return "".join(traceback.format_exception(error)) + repr(error.as_problem())
