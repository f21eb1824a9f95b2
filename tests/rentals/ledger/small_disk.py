"""What becomes of a ledger whose disk is full or read-only; run by `test_trouble` with a small disk of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from jupyter_gpu_bridge.errors import LedgerBroken
from jupyter_gpu_bridge.model import RentalState
from jupyter_gpu_bridge.rentals.ledger import Ledger
from tests.rentals.ledger.scene import NOON, ORDER, Scene
from tests.small_disk import ALL_WELL, fill


def full(disk: Path) -> None:
    url = f"sqlite:///{disk / 'ledger.db'}"
    with Ledger.open(url) as ledger:
        scene = Scene(ledger)
        rental = scene.rental()
        stuffing = disk / "stuffing"
        fill(stuffing)
        number = 0
        try:  # it may have kept some room for itself
            for number in range(1000):
                ledger.wish(f"profile:{number}", ORDER, "ada", NOON)
            raise AssertionError("it was written where there was no room")
        except LedgerBroken as error:
            _check(error, "its disk is full")
        kept = len(ledger.wishes())
        assert kept == 1 + number
        assert ledger.rentals() == [rental]
        with Ledger.open(url) as another:
            assert another.rentals() == [rental]
    # Now nobody has it open, and a reader cannot make what it usually makes beside it.
    fill(disk / "more")
    with Ledger.open(url) as ledger:
        assert ledger.rentals() == [rental]
        stuffing.unlink()
        (disk / "more").unlink()
        assert ledger.advance(rental.attempt_id, RentalState.RELEASING, now=NOON).state is RentalState.RELEASING
        assert len(ledger.wishes()) == kept


def read_only(disk: Path) -> None:
    url = f"sqlite:///{disk / 'ledger.db'}"
    with Ledger.open(url) as ledger:
        rental = Scene(ledger).rental()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with Ledger.open(url) as ledger:
        assert ledger.rentals() == [rental]
        try:
            ledger.wish("profile:other", ORDER, "ada", NOON)
            raise AssertionError("it was written")
        except LedgerBroken as error:
            _check(error, "read-only")
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        ledger.wish("profile:other", ORDER, "ada", NOON)
        assert len(ledger.wishes()) == 2


def _check(error: LedgerBroken, words: str) -> None:
    assert words in error.what, (error.what, error.details)
    assert "goes on" in error.billing
    assert error.advice


if __name__ == "__main__":
    {"full": full, "read-only": read_only}[sys.argv[1]](Path(sys.argv[2]))
    print(ALL_WELL)
