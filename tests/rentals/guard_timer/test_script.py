"""The program that the system runs: what it knows, what it keeps, and that it says nothing."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.rentals.guard_timer import script
from tests.own_home import own_home

__all__ = ["own_home"]

WORD = "a-word-of-the-team"


def round_() -> int:
    """As cron runs it: with next to nothing in its environment."""
    ran = subprocess.run(
        ["/bin/sh", str(script.place())],
        env={"PATH": "/usr/bin:/bin", "HOME": "/"},
        cwd="/",
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (ran.stdout, ran.stderr) == (b"", b""), "cron would send a mail of it every few minutes"
    return ran.returncode


@pytest.fixture(autouse=True)
def without_a_ledger_elsewhere(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JUPYTER_GPU_BRIDGE_LEDGER", "PGPASSWORD", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_a_round_finds_this_ledger_and_keeps_what_it_said_and_no_more(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own_home / "elsewhere").mkdir()
    monkeypatch.chdir(own_home)
    monkeypatch.setenv("JUPYTER_GPU_BRIDGE_LEDGER", "sqlite:///elsewhere/my.db")
    assert script.write() == []
    assert stat.S_IMODE(script.place().stat().st_mode) == 0o700
    assert script.last_round() is None
    for _ in range(2):
        assert round_() == 0
        assert script.log().read_text() == "0 rentals are looked after.\n"
        last = script.last_round()
        assert last is not None
        assert (last.status, last.said) == (0, "0 rentals are looked after.")
    assert (own_home / "elsewhere" / "my.db").exists()
    assert not (own_home / "bridge" / "ledger.db").exists()
    assert stat.S_IMODE(script.log().stat().st_mode) == 0o600


def test_a_round_is_run_where_its_words_cannot_be_kept() -> None:
    script.write()
    script.log().mkdir()
    assert round_() == 0


def test_a_round_that_fails_is_told_with_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    script.write()
    assert round_() == 127
    last = script.last_round()
    assert last is not None
    assert last.status == 127
    assert "/no/such/python" in last.said


@pytest.mark.parametrize(
    ("variables", "holder"),
    [
        ({"JUPYTER_GPU_BRIDGE_LEDGER": f"postgresql://me:{WORD}@db/x"}, "JUPYTER_GPU_BRIDGE_LEDGER"),
        ({"JUPYTER_GPU_BRIDGE_LEDGER": f"postgresql://me@db/x?password={WORD}"}, "JUPYTER_GPU_BRIDGE_LEDGER"),
        ({"JUPYTER_GPU_BRIDGE_LEDGER": "postgresql://me@db/x", "PGPASSWORD": WORD}, "PGPASSWORD"),
    ],
)
def test_without_the_ledger_s_password_there_is_no_guard(
    own_home: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], holder: str
) -> None:
    """It would take every machine of that ledger for one that nobody knows."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BridgeError, match=rf"password.* is in {holder}") as caught:
        script.write()
    assert WORD not in str(caught.value)
    assert "~/.pgpass" in caught.value.advice
    assert not script.place().exists()


def test_a_ledger_whose_password_is_elsewhere_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_GPU_BRIDGE_LEDGER", "postgresql://me@db/x")
    monkeypatch.setenv("PGPASSFILE", "/home/me/my passwords")
    script.write()
    text = script.place().read_text()
    assert "export JUPYTER_GPU_BRIDGE_LEDGER=postgresql://me@db/x\n" in text
    assert "export PGPASSFILE='/home/me/my passwords'\n" in text


def test_a_secret_is_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{WORD}@proxy:8080")
    monkeypatch.setenv("SOME_API_KEY", WORD)
    assert script.write() == ["HTTPS_PROXY"]
    assert WORD not in script.place().read_text()


def test_what_is_removed_is_gone() -> None:
    before = set(os.listdir(script.place().parent))
    script.write()
    round_()
    script.remove()
    assert {name for name in os.listdir(script.place().parent) if name.startswith("guard")} - before == set()
