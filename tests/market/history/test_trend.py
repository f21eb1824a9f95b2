"""What is said of a price's past, and of how long a model could be had."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_gpu_bridge.market.history import HOLDS, Point, Prices, Span, Trend, price_history, record
from jupyter_gpu_bridge.market.history.trend import present, trend
from jupyter_gpu_bridge.model import Money
from jupyter_gpu_bridge.settings import LEDGER_VARIABLE
from tests.market.history.offered import DAY, HOUR, MINUTE, NOON, at_price, offer
from tests.market.history.slow import Look, SlowTrend, slow_trend

STEP = 20 * MINUTE
START = NOON - 5 * DAY

_PRICES = st.none() | st.integers(1, 5).map(lambda cents: Money(cents * 333_333))
_PAST = st.lists(st.tuples(st.integers(1, 30), _PRICES), max_size=40)
"""Steps since the look before, and the lowest price."""


def looks_of(past: Sequence[tuple[int, Money | None]]) -> Sequence[Look]:
    looks, at = [], START
    for steps, low in past:
        at += steps * STEP
        looks.append(Look(at, low))
    return [look for look in looks if look.at <= NOON]


def written(looks: Sequence[Look]) -> tuple[Sequence[Point], Sequence[Span]]:
    """As they stand in the tables."""
    points: list[Point] = []
    spans: list[Span] = []
    for look in looks:
        prices = at_price(look.low)
        if prices != (points[-1].prices if points else at_price(None)):
            points.append(Point(look.at, prices))
        if spans and look.at - spans[-1].until <= HOLDS:
            spans[-1] = Span(spans[-1].since, look.at)
        else:
            spans.append(Span(look.at, look.at))
    return points, spans


def comparable(found: Trend) -> SlowTrend:
    return SlowTrend(found.low, found.median, found.change, found.known, found.offered)


@settings(max_examples=300, deadline=None)
@given(past=_PAST, days=st.integers(1, 6), late=st.integers(0, 8))
def test_trends_are_those_of_every_single_minute(
    past: Sequence[tuple[int, Money | None]], days: int, late: int
) -> None:
    looks = looks_of(past)
    now = (looks[-1].at if looks else NOON) + late * STEP
    points, spans = written(looks)
    found = trend(points, spans, days, now)
    assert comparable(found) == slow_trend(looks, days, now, STEP)
    assert (found.availability is None) == (not found.known)
    assert found.availability is None or 0 <= found.availability <= 1


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(past=st.lists(st.tuples(st.integers(1, 300), _PRICES), max_size=15))
def test_what_is_written_tells_the_same_as_what_was_seen(
    past: Sequence[tuple[int, Money | None]], sqlite_tables: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(sqlite_tables, own_home / "any-market.db")
    monkeypatch.setenv(LEDGER_VARIABLE, f"sqlite:///{own_home / 'any.db'}")
    looks = looks_of(past)
    for look in looks:
        offers = [] if look.low is None else [offer(str(look.low)), offer("9.99")]
        assert record("vast", offers, look.at) == ""
    sold = price_history("H100 SXM", None, 30, NOON).sold
    if not any(look.low for look in looks):
        assert not sold
        return
    (vast,) = sold
    # Of what is older than a day not all is kept, and all is older than none of the last day's.
    day = trend(vast.points, _spans(looks), 1, NOON)
    assert comparable(day) == slow_trend(looks, 1, NOON, STEP)
    assert vast.now.prices.low == looks[-1].low
    assert vast.now.looked == looks[-1].at
    assert vast.month.known == slow_trend(looks, 30, NOON, STEP).known


def _spans(looks: Sequence[Look]) -> Sequence[Span]:
    return written(looks)[1]


def seen(*changes: tuple[timedelta, str | None], until: datetime = NOON) -> tuple[Sequence[Point], Sequence[Span]]:
    """Looked at all the time from the first change on."""
    points = [Point(NOON - ago, at_price(None if price is None else Money.parse(price))) for ago, price in changes]
    return points, [Span(points[0].at, until)]


def test_a_price_that_held_six_days_weighs_six_days() -> None:
    hours = [(timedelta(hours=24 - hour), f"{2 + hour % 5}.00") for hour in range(24)]
    points, spans = seen((7 * DAY, "1.50"), *hours)
    found = trend(points, spans, 7, NOON)
    assert (found.median, found.low, found.change) == (Money.parse("1.50"), Money.parse("1.50"), Decimal("233.3"))


def test_time_in_which_nobody_looked_is_neither_available_nor_not() -> None:
    points = [Point(NOON - 6 * DAY, at_price(Money.parse("2"))), Point(NOON - 2 * HOUR, at_price(None))]
    spans = [Span(NOON - 6 * DAY, NOON - 6 * DAY + 2 * HOUR), Span(NOON - 2 * HOUR, NOON - HOUR)]
    found = trend(points, spans, 7, NOON)
    assert (found.known, found.offered) == (5 * HOUR, 3 * HOUR)
    assert found.availability == Decimal("0.6000")
    assert trend([], [], 7, NOON).availability is None


def test_what_was_so_before_the_window_counts_within_it_and_nothing_else_of_that_time() -> None:
    points, spans = seen((9 * DAY, "1.00"), (8 * DAY, "4.00"), (1 * DAY, "3.00"))
    found = trend(points, spans, 7, NOON)
    assert (found.low, found.median, found.change) == (Money.parse("3"), Money.parse("4"), Decimal("-25.0"))


def test_the_first_look_tells_a_price_and_claims_no_time() -> None:
    points, spans = seen((0 * DAY, "2.00"))
    found = trend(points, spans, 7, NOON)
    assert found == Trend(7, Money.parse("2"), Money.parse("2"), Decimal("0.0"), timedelta(), timedelta())
    assert found.availability is None


def test_a_price_is_the_present_one_since_the_lowest_became_that() -> None:
    same, other = Money.parse("2"), Money.parse("5")
    points = [
        Point(NOON - 3 * DAY, Prices(1, other, other, other)),
        Point(NOON - 2 * DAY, Prices(1, same, same, same)),
        Point(NOON - 1 * DAY, Prices(2, same, other, other)),
    ]
    now = present(points, [Span(NOON - 3 * DAY, NOON - HOUR)])
    assert (now.prices.low, now.since, now.looked) == (same, NOON - 2 * DAY, NOON - HOUR)


def test_what_was_free_has_no_percentage() -> None:
    points, spans = seen((2 * DAY, "0"), (1 * DAY, "3.00"))
    assert trend(points, spans, 7, NOON).change is None
