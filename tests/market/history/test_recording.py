"""What is written down of an answer, in either database."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from jupyter_gpu_bridge.db import Database, open_market, tables
from jupyter_gpu_bridge.market.history import price_history, record
from jupyter_gpu_bridge.model import Money, Offer
from jupyter_gpu_bridge.settings import LEDGER_VARIABLE
from tests.market.history.offered import DAY, HOUR, MINUTE, NOON, offer

Row = tuple[str, bool, datetime, str | None, int]


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = open_market()
    with contextlib.closing(database):
        yield database


def rows(database: Database) -> Sequence[Row]:
    prices = tables.prices
    with database.reading() as connection:
        found = connection.execute(select(prices).order_by(prices.c.at, prices.c.gpu, prices.c.is_spot)).all()
    return [(row.gpu, row.is_spot, row.at, None if row.low is None else str(row.low), row.offers) for row in found]


def looks(database: Database, *, is_spot: bool = False) -> Sequence[tuple[str, datetime, datetime]]:
    of = tables.looks.c
    query = select(of.provider, of.since, of.until).where(of.is_spot == is_spot).order_by(of.since)
    with database.reading() as connection:
        return [tuple(row) for row in connection.execute(query)]


def test_a_row_is_written_only_when_something_has_changed(database: Database) -> None:
    same = [offer("2.00"), offer("3.00"), offer("1.00", is_spot=True)]
    assert record("vast", same, NOON) == ""
    assert record("vast", same[::-1], NOON + 5 * MINUTE) == ""
    assert record("vast", [offer("2.50"), same[2]], NOON + 10 * MINUTE) == ""
    assert rows(database) == [
        ("H100 SXM", False, NOON, "$2.00", 2),
        ("H100 SXM", True, NOON, "$1.00", 1),
        ("H100 SXM", False, NOON + 10 * MINUTE, "$2.50", 1),
    ]
    assert looks(database) == [("vast", NOON, NOON + 10 * MINUTE)]


def test_a_model_that_is_not_offered_any_more_has_a_row_that_says_so_and_another_when_it_is_back(
    database: Database,
) -> None:
    for minute, offers in enumerate([[offer("2.00")], [], [], [offer("2.00")]]):
        record("vast", offers, NOON + minute * MINUTE)
    assert rows(database) == [
        ("H100 SXM", False, NOON, "$2.00", 1),
        ("H100 SXM", False, NOON + MINUTE, None, 0),
        ("H100 SXM", False, NOON + 3 * MINUTE, "$2.00", 1),
    ]


def test_of_spot_nothing_is_claimed_where_it_was_not_asked_for(database: Database) -> None:
    record("vast", [offer("2.00"), offer("1.00", is_spot=True)], NOON)
    record("vast", [offer("2.00")], NOON + HOUR, with_spot=False)
    record("vast", [offer("2.00"), offer("1.00", is_spot=True)], NOON + 3 * HOUR)
    assert [(row[1], row[4]) for row in rows(database)] == [(False, 1), (True, 1)]
    assert looks(database) == [("vast", NOON, NOON + HOUR), ("vast", NOON + 3 * HOUR, NOON + 3 * HOUR)]
    assert looks(database, is_spot=True) == [("vast", NOON, NOON), ("vast", NOON + 3 * HOUR, NOON + 3 * HOUR)]
    on_demand, spot = sorted(price_history("h100", None, 7, NOON + 3 * HOUR).sold, key=lambda sold: sold.is_spot)
    assert (on_demand.week.known, spot.week.known) == (2 * HOUR, HOUR)


def test_prices_are_of_one_gpu_and_exact(database: Database) -> None:
    record("vast", [offer("1.00", count=3), offer("16.00", count=8), offer("0.333335", count=2)], NOON)
    with database.reading() as connection:
        row = connection.execute(select(tables.prices)).one()
    assert (row.low, row.median, row.high) == (Money(166_668), Money(333_333), Money(2_000_000))


def test_what_has_no_gpu_or_a_name_that_is_none_is_left_out(database: Database) -> None:
    odd = [offer("1.00", ""), offer("1.00", "A" * 5000), offer("-1.00"), offer("1.00", count=0)]
    assert record("vast", odd, NOON) == ""
    assert (rows(database), looks(database)) == ([], [("vast", NOON, NOON)])


def test_a_name_that_no_database_takes_is_written_as_it_will_be_read(database: Database) -> None:
    for minute in range(3):
        assert record("vast", [offer("1.00", "GPU \ud800\0")], NOON + minute * MINUTE) == ""
    assert [row[0] for row in rows(database)] == ["GPU ??"]


def test_looking_is_one_row_until_nobody_looks_for_more_than_an_hour(database: Database) -> None:
    for after in (0 * HOUR, HOUR, 2 * HOUR, 3 * HOUR + MINUTE, 4 * HOUR):
        record("vast", [], NOON + after)
    assert looks(database) == [
        ("vast", NOON, NOON + 2 * HOUR),
        ("vast", NOON + 3 * HOUR + MINUTE, NOON + 4 * HOUR),
    ]


def test_an_answer_that_comes_after_a_later_one_changes_nothing(database: Database) -> None:
    record("vast", [offer("2.00")], NOON)
    record("vast", [offer("3.00")], NOON + 10 * MINUTE)
    before = rows(database), looks(database)
    record("vast", [offer("9.00")], NOON + 5 * MINUTE)
    assert (rows(database), looks(database)) == before


def test_a_clock_that_was_ahead_for_a_moment_keeps_nobody_from_writing(database: Database) -> None:
    record("vast", [offer("9.00")], NOON + 300 * DAY)
    for minute, price in enumerate(("2.00", "3.00")):
        record("vast", [offer(price)], NOON + minute * MINUTE)
    assert [row[3] for row in rows(database)] == ["$2.00", "$3.00", "$9.00"]


def test_providers_do_not_know_of_each_other(database: Database) -> None:
    record("vast", [offer("2.00")], NOON)
    record("runpod", [], NOON + MINUTE)
    assert len(rows(database)) == 1


@pytest.mark.timeout(180)
def test_many_who_look_at_the_same_time_write_it_once(database: Database) -> None:
    several = 6
    together = Barrier(several)

    def look(number: int) -> Sequence[str]:
        told = []
        for minute in range(10):
            together.wait(30)
            told.append(record("vast", [offer(f"{minute + 1}.00")], NOON + minute * MINUTE))
        return told

    with ThreadPoolExecutor(several) as threads:
        told = list(threads.map(look, range(several)))
    assert not any(text for each in told for text in each)
    assert [row[3] for row in rows(database)] == [f"${minute + 1}.00" for minute in range(10)]
    assert looks(database) == [("vast", NOON, NOON + 9 * MINUTE)]


@pytest.mark.timeout(120)
def test_several_processes_write_one_history(database: Database) -> None:
    program = (
        "import sys\n"
        "from jupyter_gpu_bridge.market.history import record\n"
        "from tests.market.history.offered import MINUTE, NOON, offer\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "for minute in range(30):\n"
        "    told = record('vast', [offer(f'{minute % 7 + 1}.00')], NOON + minute * MINUTE)\n"
        "    assert not told, told\n"
    )
    with contextlib.ExitStack() as stack:
        writers = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            )
            for _ in range(2)
        ]
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        assert [writer.wait(60) for writer in writers] == [0, 0]
    found = rows(database)
    assert len({row[2] for row in found}) == len(found)
    assert all(before[3] != after[3] for before, after in pairwise(found))
    assert (found[-1][2], looks(database)) == (NOON + 29 * MINUTE, [("vast", NOON, NOON + 29 * MINUTE)])


def test_a_ledger_that_cannot_be_written_is_told_of_and_hinders_nobody(own_home: Path, tmp_path: Path) -> None:
    broken = own_home / "bridge" / "ledger-market.db"
    broken.write_text("this is no database, and long enough to be read as one")
    told = record("vast", [offer("2.00")], NOON)
    assert told.startswith("The prices of vast could not be kept: The ledger (")


def test_somebody_who_writes_for_long_is_not_waited_for(database: Database) -> None:
    with database.writing():
        began = time.monotonic()
        told = record("vast", [offer("2.00")], NOON)
        took = time.monotonic() - began
    assert "is kept busy by another program" in told
    assert took < 6
    assert record("vast", [offer("2.00")], NOON) == ""
    assert len(rows(database)) == 1


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(-200, 400), st.lists(st.sampled_from(["1.00", "2.00"]), max_size=2)), max_size=25)
)
def test_clocks_that_go_back_and_forth_never_make_two_stretches_of_one_time(
    own_home: Path, sqlite_tables: Path, monkeypatch: pytest.MonkeyPatch, answers: Sequence[tuple[int, Sequence[str]]]
) -> None:
    path = own_home / "any-market.db"
    path.write_bytes(sqlite_tables.read_bytes())
    monkeypatch.setenv(LEDGER_VARIABLE, f"sqlite:///{own_home / 'any.db'}")
    at = NOON
    for minutes, prices in answers:
        at += minutes * MINUTE
        assert record("vast", [offer(price) for price in prices], at) == ""
    with contextlib.closing(open_market()) as database:
        stretches, written = looks(database), rows(database)
    assert all(before[2] < after[1] for before, after in pairwise(stretches))
    assert all(since <= until for _, since, until in stretches)
    assert all(any(since <= row[2] <= until for _, since, until in stretches) for row in written)


def test_nobody_has_to_have_a_ledger(own_home: Path) -> None:
    assert record("vast", [offer("2.00")], NOON) == ""
    assert [each.name for each in (own_home / "bridge").glob("ledger*.db")] == ["ledger-market.db"]


def test_a_hundred_thousand_offers_are_a_few_rows(database: Database) -> None:
    many: list[Offer] = [
        Offer("vast", str(number), f"GPU {number % 50}", 1 + number % 8, 1, Money(1 + number))
        for number in range(100_000)
    ]
    assert record("vast", many, NOON) == ""
    assert len(rows(database)) == 50
