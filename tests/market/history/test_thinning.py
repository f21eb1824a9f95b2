"""What is kept of what was written down, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from jupyter_gpu_bridge.db import open_market, tables
from jupyter_gpu_bridge.market.history import Point, Span, price_history, record
from jupyter_gpu_bridge.market.history.thinning import KEPT, WHOLE, Told, superfluous
from jupyter_gpu_bridge.market.history.trend import trend
from jupyter_gpu_bridge.model import Money
from tests.market.history.offered import DAY, HOUR, MINUTE, NOON, at_price, offer

_POINTS = st.lists(st.tuples(st.integers(1, 40_000), st.integers(0, 3)), max_size=120)


def points_of(past: Sequence[tuple[int, int]]) -> Sequence[Point]:
    """Minutes to the next one, and offers."""
    at, points = NOON, []
    for minutes, offers in reversed(past):
        at -= minutes * MINUTE
        points.append(point(at - NOON, offers))
    return points[::-1]


def point(after: timedelta, offers: int) -> Point:
    return Point(NOON + after, at_price(Money(offers) if offers else None, offers))


def left(points: Sequence[Point]) -> Sequence[Point]:
    older = [each for each in points if NOON - each.at >= WHOLE]
    gone = set(superfluous([Told(each.at, bool(each.prices.offers)) for each in older], NOON))
    return [each for each in points if each.at not in gone]


@settings(max_examples=300, deadline=None)
@given(_POINTS)
def test_what_is_left_is_left_for_good_and_the_present_is_never_lost(past: Sequence[tuple[int, int]]) -> None:
    points = points_of(past)
    kept = left(points)
    assert left(kept) == kept
    assert [each for each in kept if NOON - each.at < DAY] == [each for each in points if NOON - each.at < DAY]
    if points and (points[-1].prices.offers or NOON - points[-1].at < KEPT):
        assert kept[-1] == points[-1]
    old = [each for each in kept if NOON - each.at > KEPT]
    assert len(old) <= 1
    assert all(each.prices.offers for each in old)


def test_of_each_hour_and_then_of_each_day_the_last_change_is_kept() -> None:
    points = [point(-40 * DAY + number * 20 * MINUTE, 1 + number % 3) for number in range(39 * 72)]
    daily: list[datetime] = []
    hourly: list[datetime] = []
    for each in left(points):
        (daily if NOON - each.at > 35 * DAY else hourly).append(each.at)
    latest = {each.at.date(): each.at for each in points if NOON - each.at > 35 * DAY}
    assert daily == list(latest.values())
    assert hourly == [each.at for each in points if NOON - each.at <= 35 * DAY and each.at.minute == 40]


def test_a_model_that_comes_and_goes_within_the_hour_stays_told_from_one_that_is_not_there() -> None:
    points = [
        each
        for hour in range(24 * 20, 24, -1)
        for each in (point(-hour * HOUR + 10 * MINUTE, 1), point(-hour * HOUR + 25 * MINUTE, 0))
    ]
    spans = [Span(points[0].at, NOON)]
    before, after = (trend(these, spans, 30, NOON) for these in (points, left(points)))
    assert after == before
    assert after.offered == 15 * MINUTE * len(points) / 2


def test_what_changes_all_the_time_is_bounded() -> None:
    points = [point(-500 * DAY + number * 10 * MINUTE, 1 + number % 3) for number in range(500 * 144)]
    assert len(left(points)) < 144 + 34 * 24 + 370


def test_old_rows_go_as_somebody_goes_on_looking(url: str) -> None:
    for hour in range(0, 24 * 60, 12):
        assert record("vast", [offer(f"{1 + hour % 9}.00"), offer("3.00", "A100")], NOON + hour * HOUR) == ""
    assert record("vast", [offer("3.00", "A100")], NOON + 60 * DAY) == ""
    database = open_market()
    with database.reading() as connection:
        count = connection.execute(select(func.count()).select_from(tables.prices)).scalar_one()
    assert count < 2 * 36 + 25 + 3
    assert record("vast", [offer("3.00", "A100")], NOON + 600 * DAY) == ""
    with database.reading() as connection:
        found = connection.execute(select(tables.prices.c.gpu)).scalars().all()
        looked = connection.execute(select(func.count()).select_from(tables.looks)).scalar_one()
    database.close()
    assert found == ["A100"], "it has cost the same ever since, and the other one is long gone"
    assert looked == 2, "one on demand, and one as spot"
    (sold,) = price_history("A100", None, 30, NOON + 601 * DAY).sold
    assert (str(sold.now.prices.low), sold.now.since) == ("$3.00", NOON)
