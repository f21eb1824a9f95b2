from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_gpu_bridge.model import Money, Ref, RentalState
from jupyter_gpu_bridge.rentals.installation import new_attempt_id
from jupyter_gpu_bridge.rentals.ledger import Ledger
from jupyter_gpu_bridge.rentals.ledger.accrual import by_day
from tests.rentals.ledger.scene import HOUR, MINUTE, NOON, Scene

_seconds = st.integers(min_value=0, max_value=4 * 86_400 * 10**6)
_prices = st.integers(min_value=0, max_value=10**9)


def days(ledger: Ledger) -> dict[str, Money]:
    return {row.of: row.cost for row in ledger.costs("day")}


def test_it_costs_from_the_request_on(ledger: Ledger, scene: Scene) -> None:
    rental = scene.intend(scene.wish())
    assert ledger.accrue(rental.attempt_id, NOON + HOUR).accrued == Money()
    ledger.advance(rental.attempt_id, RentalState.REQUESTED, now=NOON + HOUR)
    counted = ledger.accrue(rental.attempt_id, NOON + 90 * MINUTE)
    assert (counted.accrued, counted.accrued_until) == (Money.parse("0.20"), NOON + 90 * MINUTE)
    assert days(ledger) == {"2026-11-20": Money.parse("0.20")}


def test_no_time_is_counted_twice_and_none_is_given_back(ledger: Ledger, scene: Scene) -> None:
    attempt = scene.rental().attempt_id
    once = ledger.accrue(attempt, NOON + HOUR)
    assert ledger.accrue(attempt, NOON + HOUR) == once
    assert ledger.accrue(attempt, NOON + MINUTE) == once
    assert ledger.accrue(attempt, NOON - 99 * HOUR) == once
    assert ledger.accrue(attempt, NOON + 2 * HOUR).accrued == Money.parse("0.80")


def test_nothing_is_counted_after_the_end(ledger: Ledger, scene: Scene) -> None:
    attempt = scene.rental().attempt_id
    ledger.accrue(attempt, NOON + HOUR)
    ledger.advance(attempt, RentalState.GONE, now=NOON + 2 * HOUR)
    last = ledger.accrue(attempt, NOON + 2000 * HOUR)
    assert (last.accrued, last.accrued_until) == (Money.parse("0.80"), NOON + 2 * HOUR)
    assert ledger.accrue(attempt, NOON + 3000 * HOUR) == last


def test_an_interval_over_midnight_is_divided(ledger: Ledger, scene: Scene) -> None:
    attempt = scene.rental().attempt_id
    ledger.accrue(attempt, NOON + 39 * HOUR)
    assert days(ledger) == {
        "2026-11-20": Money.parse("4.80"),
        "2026-11-21": Money.parse("9.60"),
        "2026-11-22": Money.parse("1.20"),
    }
    assert [row.of for row in ledger.costs("day", since=date(2026, 11, 21))] == ["2026-11-21", "2026-11-22"]


def test_one_that_never_was_has_cost_nothing(ledger: Ledger, scene: Scene) -> None:
    attempt = scene.rental(state=RentalState.UNKNOWN).attempt_id
    assert ledger.accrue(attempt, NOON + HOUR).accrued == Money.parse("0.40")
    gone = ledger.advance(attempt, RentalState.GONE, now=NOON + HOUR, reason="No listing has it.")
    assert gone.accrued == Money()
    assert ledger.events(gone.wish_id)[-1].text == "Nothing was rented. No listing has it."
    assert days(ledger) == {"2026-11-20": Money()}
    ledger.resurrect(attempt, NOON + 2 * HOUR, "There it is.")
    assert ledger.accrue(attempt, NOON + 2 * HOUR).accrued == Money.parse("0.80")


def test_one_that_came_back_has_cost_all_the_while(ledger: Ledger, scene: Scene) -> None:
    attempt = scene.rental().attempt_id
    ledger.advance(attempt, RentalState.GONE, now=NOON + HOUR)
    ledger.accrue(attempt, NOON + HOUR)
    ledger.resurrect(attempt, NOON + 5 * HOUR, "It was stopped only.")
    ledger.advance(attempt, RentalState.GONE, now=NOON + 6 * HOUR)
    assert ledger.accrue(attempt, NOON + 7 * HOUR).accrued == Money.parse("2.40")


def test_one_that_was_thought_never_to_be_sent_costs_from_the_intent_on(ledger: Ledger, scene: Scene) -> None:
    attempt = scene.intend(scene.wish()).attempt_id
    ledger.advance(attempt, RentalState.GONE, now=NOON + HOUR)
    assert ledger.resurrect(attempt, NOON + 2 * HOUR, "There it is.").requested == NOON
    assert ledger.accrue(attempt, NOON + 2 * HOUR).accrued == Money.parse("0.80")


def test_a_dearer_price_counts_from_the_last_count_on(ledger: Ledger, scene: Scene) -> None:
    attempt = scene.rental().attempt_id
    ledger.accrue(attempt, NOON + HOUR)
    ledger.learn(attempt, price=Money.parse("1.00"))
    assert ledger.accrue(attempt, NOON + 2 * HOUR).accrued == Money.parse("1.40")


def test_the_providers_bill_counts_when_it_is_higher(ledger: Ledger, scene: Scene) -> None:
    attempt = scene.rental().attempt_id
    ledger.accrue(attempt, NOON + 13 * HOUR)
    assert ledger.bill(attempt, Money.parse("5.00")).accrued == Money.parse("5.20")
    assert ledger.bill(attempt, Money.parse("6.00")).accrued == Money.parse("6.00")
    assert days(ledger) == {"2026-11-20": Money.parse("4.80"), "2026-11-21": Money.parse("1.20")}
    assert ledger.accrue(attempt, NOON + 14 * HOUR).accrued == Money.parse("6.40")


@given(price=_prices, start=_seconds, length=st.integers(min_value=1, max_value=4 * 86_400 * 10**6))
def test_the_days_come_to_the_whole(price: int, start: int, length: int) -> None:
    since = NOON + timedelta(microseconds=start)
    until = since + timedelta(microseconds=length)
    parts = list(by_day(Money(price), since, until))
    assert sum((cost for _, cost in parts), Money()) == Money(price).during(until - since)
    assert [day for day, _ in parts] == [
        since.date() + timedelta(days=n)
        for n in range(((until - timedelta(microseconds=1)).date() - since.date()).days + 1)
    ]
    assert all(cost >= Money() for _, cost in parts)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(price=_prices, times=st.lists(_seconds, min_size=1, max_size=8), end=st.none() | _seconds)
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)  # the sums are calculated here, not there
def test_any_counting_comes_to_the_whole_time(scene: Scene, price: int, times: list[int], end: int | None) -> None:
    """In any order, however often, and with an end somewhere."""
    ledger = scene.ledger
    rental = scene.intend(scene.wish(f"profile:{new_attempt_id()}"))
    ledger.learn(rental.attempt_id, price=Money(price))
    ledger.advance(rental.attempt_id, RentalState.REQUESTED, now=NOON)
    ledger.advance(rental.attempt_id, RentalState.CREATED, now=NOON, ref=Ref("m"))
    if end is not None:
        ledger.advance(rental.attempt_id, RentalState.GONE, now=NOON + timedelta(microseconds=end))
    accrued = [ledger.accrue(rental.attempt_id, NOON + timedelta(microseconds=each)) for each in times]
    assert all(before.accrued <= after.accrued for before, after in pairwise(accrued))
    last = max(times) if end is None else min(max(times), end)
    whole = max(Money(price), rental.price).during(timedelta(microseconds=last))
    assert whole <= accrued[-1].accrued <= whole + Money(len(times))
    (mine,) = [row.cost for row in ledger.costs() if row.of == rental.attempt_id] or [Money()]
    assert mine == accrued[-1].accrued


def test_any_time_zone_will_do(ledger: Ledger, scene: Scene) -> None:
    attempt = scene.rental().attempt_id
    ledger.accrue(attempt, datetime.fromisoformat("2026-11-21T01:00:00+09:00"))
    assert days(ledger) == {"2026-11-20": Money.parse("1.60")}
