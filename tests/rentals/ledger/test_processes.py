"""Several processes with one ledger, and some that die in the middle of it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import make_url

from jupyter_gpu_bridge.errors import OverBudget
from jupyter_gpu_bridge.model import Money, RentalState
from jupyter_gpu_bridge.rentals.ledger import Ledger, Limits
from tests.postgres import Postgres
from tests.rentals.ledger.scene import NOON, Scene

REPOSITORY = Path(__file__).parents[3]
ROUNDS = 100

pytestmark = pytest.mark.timeout(180)


@contextmanager
def worker(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.rentals.ledger.worker", *arguments],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_of_two_that_race_one_makes_the_wish_and_one_rents(url: str) -> None:
    with worker("race", url, "ada") as ada, worker("race", url, "ben") as ben:
        assert hear(ada) == hear(ben) == "ready"
        for number in range(ROUNDS):
            tell(ada, f"profile:{number}")
            tell(ben, f"profile:{number}")
            (wish, new, rented), (other_wish, other_new, other_rented) = hear(ada).split(), hear(ben).split()
            assert wish == other_wish
            assert {new, other_new} == {"new", "old"}
            assert {rented, other_rented} == {"rented", "refused"}
    with Ledger.open(url) as ledger:
        assert len(ledger.wishes()) == len(ledger.rentals()) == ROUNDS


@pytest.mark.needs("postgres")
def test_a_server_that_reads_old_moments_changes_nothing_in_that(postgres: Postgres) -> None:
    url = postgres.new_database()
    name = make_url(url).database
    postgres.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
    test_of_two_that_race_one_makes_the_wish_and_one_rents(url)


@pytest.mark.parametrize("after", [1, 2, 3, 7, 20])
def test_what_was_written_survives_the_death_of_its_writers(url: str, tmp_path: Path, after: int) -> None:
    written: list[str] = []
    with worker("write_on", url, "ada") as ada, worker("write_on", url, "ben") as ben:
        written += [hear(ada) for _ in range(after)]
        for process in (ada, ben):  # in the middle of whatever they do
            process.kill()
        for process in (ada, ben):
            assert process.stdout is not None
            # A line that was cut off says nothing.
            written += [line.strip() for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    assert len(written) >= after
    with Ledger.open(url) as ledger:
        for line in written:
            attempt, _, micros = line.partition("=")
            rental = ledger.find_rental(attempt)
            assert rental.accrued >= Money(int(micros or 0))
        for rental in ledger.rentals():
            assert ledger.events(rental.wish_id)
        assert {row.of: row.cost for row in ledger.costs()} == {
            rental.attempt_id: rental.accrued for rental in ledger.rentals() if rental.accrued
        }
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_of_two_that_race_for_the_last_money_one_gets_it(url: str) -> None:
    limits = Limits(per_day=Money.parse("3.00"))
    together = Barrier(2)

    def race(me: str) -> list[bool]:
        with Ledger.open(url) as ledger:
            scene = Scene(ledger)
            return [attempt(scene, f"{me}:{number}", number) for number in range(20)]

    def attempt(scene: Scene, key: str, number: int) -> bool:
        now = NOON + timedelta(days=number)
        wish = scene.wish(key)
        together.wait(20)
        try:
            rental = scene.intend(wish, limits=limits, now=now)
        except OverBudget:
            rental = None
        together.wait(20)
        if rental is not None:
            scene.ledger.advance(rental.attempt_id, RentalState.GONE, now=now)
        together.wait(20)
        return rental is not None

    with ThreadPoolExecutor(2) as pool:
        ada, ben = pool.map(race, ("ada", "ben"))
    assert [mine + others for mine, others in zip(ada, ben, strict=True)] == [1] * 20


def test_two_that_open_a_ledger_which_is_not_there_yet_make_one(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    with worker("race", url, "ada") as ada, worker("race", url, "ben") as ben, worker("race", url, "eve") as eve:
        assert [hear(each) for each in (ada, ben, eve)] == ["ready"] * 3
        tell(ada, "profile:box")
        assert hear(ada).endswith("new rented")
