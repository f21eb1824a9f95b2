"""What is said of the timer, and that nothing of others is touched where it cannot be read."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

import pytest

from jupyter_gpu_bridge.cli import main
from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.rentals.guard_timer import GuardTimer, install, remove, script, timer_now
from tests.own_home import own_home

__all__ = ["own_home"]


class Crontab:
    """A program of that name and no other of its kind, which says what it is to say and notes what it is given."""

    def __init__(self, folder: Path) -> None:
        self.given = folder / "given"
        self._program = folder / "crontab"

    def says(self, script: str) -> None:
        self._program.write_text(f'#!/bin/sh\n[ "$1" = -l ] || exec /bin/cat >{self.given}\n{script}\n')
        self._program.chmod(0o755)


@pytest.fixture
def crontab(own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Crontab:
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    return Crontab(programs)


def test_a_crontab_that_cannot_be_read_is_not_replaced(crontab: Crontab) -> None:
    crontab.says("echo 'crontab: no more processes' >&2; exit 1")
    with pytest.raises(BridgeError, match="no more processes"):
        asyncio.run(install())
    assert not crontab.given.exists()
    assert asyncio.run(remove()) == "The guard was not installed."
    assert asyncio.run(timer_now()).runner is None
    assert not crontab.given.exists()


@pytest.mark.parametrize("answer", ["no crontab for ada", "crontab: can't open 'ada': No such file or directory"])
def test_what_says_that_there_is_no_crontab_does_not_get_into_it(crontab: Crontab, answer: str) -> None:
    crontab.says(f'echo "{answer}" >&2; exit 1')
    asyncio.run(install())
    (line,) = crontab.given.read_text().splitlines()
    assert line.startswith("*/5 * * * * ")


def test_a_system_that_runs_nothing_says_so(crontab: Crontab) -> None:
    with pytest.raises(BridgeError, match="nor cron"):
        asyncio.run(install())
    assert not script.place().exists()


def test_who_asks_is_told(crontab: Crontab, capsys: pytest.CaptureFixture[str]) -> None:
    crontab.says("echo no crontab for ada >&2; exit 1")
    assert main(["guard", "status"]) == 0
    assert capsys.readouterr().out == "Nothing runs the guard when nothing of ours runs.\n"
    assert main(["guard", "install"]) == 0
    assert capsys.readouterr().out.startswith("cron runs the guard every 5 minutes")
    crontab.says(f"/bin/cat {crontab.given}")
    script.log().write_text("The ledger is broken.\n")
    (script.log().parent / "guard.status").write_text("1\n")
    assert main(["guard", "status", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["runner"], told["ok"], told["last"]["status"]) == ("cron", False, 1)
    assert main(["guard", "remove"]) == 0
    assert capsys.readouterr().out == "The guard is not run by cron any more.\n"
    assert crontab.given.read_text() == ""


def test_it_is_told_how_the_last_round_ended(own_home: Path) -> None:
    nobody = GuardTimer(None, None)
    assert nobody.is_well
    assert "jupyter gpu guard install" in nobody.advice
    script.write()
    waits = GuardTimer("cron", script.last_round())
    assert (waits.is_well, waits.advice) == (True, "")
    assert waits.text == "cron is to run the guard every 5 minutes, and has not done so yet."
    status = own_home / "bridge" / "guard.status"
    status.write_text("0\n")
    assert GuardTimer("cron", script.last_round()).text.endswith(", and all was well.")
    script.log().write_text("a\nThe ledger is broken.\n\n")
    status.write_text("1\n")
    failed = GuardTimer("cron", script.last_round())
    assert not failed.is_well
    assert failed.text.endswith(", and ended with 1: The ledger is broken.")
    assert str(script.log()) in failed.advice
    status.write_text("0\n")
    os.utime(status, (time.time() - 1000, time.time() - 1000))
    late = GuardTimer("cron", script.last_round())
    assert not late.is_well
    assert late.text.endswith(", and not since then.")
