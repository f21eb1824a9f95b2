from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from jupyter_gpu_bridge.errors import BadRequest, OverBudget, RentalEnded
from jupyter_gpu_bridge.model import Money, RentalState
from jupyter_gpu_bridge.rentals.ledger import LIMITS_COMMAND, Ledger, Limits, Spending
from tests.rentals.ledger.scene import HOUR, NOON, OFFER, Scene

dollars = Money.parse
EACH = dollars("3.00")
"""The worst case of one rental."""


@pytest.mark.parametrize("limits", [Limits(), Limits(EACH, EACH, dollars("0.40"), 1)])
def test_what_is_within_all_limits_is_rented(scene: Scene, limits: Limits) -> None:
    assert scene.intend(scene.wish(), limits=limits).state is RentalState.INTENT


@pytest.mark.parametrize(
    ("limits", "option", "words"),
    [
        (
            Limits(per_day=dollars("5.99")),
            "--per-day",
            r"limit of \$5.99 per day: \$0.00 is spent, \$3.00 is reserved .*, and this one can come to \$3.00",
        ),
        (Limits(per_month=dollars("5.99")), "--per-month", r"limit of \$5.99 per month"),
        (
            Limits(per_hour_at_once=dollars("0.79")),
            "--per-hour-at-once",
            r"1 machine is rented now for \$0.40 per hour, and this one costs \$0.40",
        ),
        (Limits(live_at_once=1), "--live-at-once", r"limit of 1 machine at once: 1 machine is rented now"),
    ],
)
def test_what_could_break_a_limit_is_refused(scene: Scene, limits: Limits, option: str, words: str) -> None:
    scene.rental("profile:first")
    wish = scene.wish("profile:second")
    with pytest.raises(OverBudget, match=words) as raised:
        scene.intend(wish, limits=limits)
    assert raised.value.billing == "Nothing was rented for it."
    assert f"{LIMITS_COMMAND} {option}" in raised.value.advice
    assert not scene.ledger.of_wish(wish)
    scene.ledger.advance(scene.ledger.rentals()[0].attempt_id, RentalState.GONE, now=NOON)
    scene.intend(wish, limits=limits)


@pytest.mark.parametrize("state", list(RentalState))
def test_whatever_may_be_billed_is_reserved(scene: Scene, state: RentalState) -> None:
    scene.rental(state=state)
    spending = scene.ledger.spending(NOON)
    assert spending == (Spending(reserved=EACH, per_hour=dollars("0.40"), live=1) if state.is_live else Spending())


def test_what_has_accrued_is_spent_and_reserved_no_more(ledger: Ledger, scene: Scene) -> None:
    attempt = scene.rental().attempt_id
    ledger.accrue(attempt, NOON + HOUR)
    spending = ledger.spending(NOON + HOUR)
    assert (spending.spent_today, spending.reserved) == (dollars("0.40"), dollars("2.60"))
    ledger.advance(attempt, RentalState.GONE, now=NOON + HOUR)
    assert ledger.spending(NOON + HOUR) == Spending(dollars("0.40"), dollars("0.40"))
    wish = scene.wish("profile:second")
    with pytest.raises(OverBudget, match=r"\$0.40 is spent, \$0.00 is reserved"):
        scene.intend(wish, limits=Limits(per_day=dollars("3.39")), now=NOON + HOUR)
    scene.intend(wish, limits=Limits(per_day=dollars("3.40")), now=NOON + HOUR)


def test_what_costs_more_than_its_worst_case_frees_nothing(ledger: Ledger, scene: Scene) -> None:
    attempt = scene.rental().attempt_id
    ledger.bill(attempt, dollars("10.00"))
    spending = ledger.spending(NOON)
    assert (spending.spent_today, spending.reserved) == (dollars("10.00"), Money())


def test_a_day_ends_at_midnight_and_a_month_goes_on(ledger: Ledger, scene: Scene) -> None:
    attempt = scene.rental().attempt_id
    ledger.accrue(attempt, NOON + 14 * HOUR)
    tomorrow = ledger.spending(NOON + 14 * HOUR)
    assert (tomorrow.spent_today, tomorrow.spent_this_month) == (dollars("0.80"), dollars("5.60"))
    next_month = ledger.spending(NOON + timedelta(days=11))
    assert (next_month.spent_today, next_month.spent_this_month) == (Money(), Money())


def test_a_clock_that_ran_ahead_hides_no_cost(ledger: Ledger, scene: Scene) -> None:
    attempt = scene.rental().attempt_id
    ledger.accrue(attempt, NOON + timedelta(days=2))
    assert ledger.spending(NOON).spent_today == dollars("19.20")


def test_the_sandbox_has_money_of_its_own(ledger: Ledger, scene: Scene) -> None:
    pretend = replace(OFFER, provider="sandbox", is_pretend=True)
    limits = Limits(EACH, EACH, dollars("0.40"), 1)
    rental = scene.bring(scene.intend(scene.wish(), offer=pretend, limits=limits), RentalState.IN_USE)
    ledger.accrue(rental.attempt_id, NOON + HOUR)
    assert ledger.spending(NOON) == Spending()
    assert ledger.spending(NOON, is_pretend=True).live == 1
    scene.intend(scene.wish("profile:real"), limits=limits)
    with pytest.raises(OverBudget):
        scene.intend(scene.wish("profile:pretend"), offer=pretend, limits=limits)
    assert [(row.of, row.is_pretend, row.cost) for row in ledger.costs("provider")] == [
        ("sandbox", True, dollars("0.40"))
    ]


def test_a_later_deadline_is_within_the_limits_too(ledger: Ledger, scene: Scene) -> None:
    """Eight hours at 0.40, and up to its budget of 3.00: put off by an hour, it can come to that of two such."""
    rental = scene.bring(scene.intend(scene.wish(), cap=None, worst_case=dollars("3.20")), RentalState.IN_USE)
    later = rental.deadline + HOUR
    worst = (later - NOON) / HOUR * 0.40
    limit = dollars(f"{worst:.2f}")
    for limits, option in (
        (Limits(per_day=limit - dollars("0.01")), "--per-day"),
        (Limits(per_month=limit - dollars("0.01")), "--per-month"),
    ):
        with pytest.raises(OverBudget, match=rf"could come to \{limit} then, \{limit} would be reserved") as raised:
            ledger.extend(rental.attempt_id, later, limits, NOON)
        assert f"{LIMITS_COMMAND} {option}" in raised.value.advice
        assert ledger.find_rental(rental.attempt_id) == rental
    extended = ledger.extend(rental.attempt_id, later, Limits(limit, limit), NOON)
    assert (extended.deadline, extended.worst_case) == (later, limit)
    (event,) = [each for each in ledger.events(rental.wish_id) if each.kind == "extended"]
    assert f"can come to {limit}" in event.text


def test_a_later_deadline_that_costs_no_more_is_within_limits_that_are_used_up(ledger: Ledger, scene: Scene) -> None:
    rental = scene.rental()
    capped = ledger.extend(rental.attempt_id, rental.deadline + 8 * HOUR, Limits(per_day=EACH), NOON)
    assert capped.worst_case == EACH
    later = ledger.extend(rental.attempt_id, capped.deadline + HOUR, Limits(per_day=Money()), NOON)
    assert later.deadline == capped.deadline + HOUR


def test_what_is_being_ended_is_not_put_off(ledger: Ledger, scene: Scene) -> None:
    rental = scene.rental(state=RentalState.RELEASING)
    with pytest.raises(RentalEnded):
        ledger.extend(rental.attempt_id, rental.deadline + HOUR, Limits(), NOON)


def test_more_money_than_can_be_written_down_is_refused(scene: Scene) -> None:
    with pytest.raises(BadRequest, match="more money than"):
        scene.intend(scene.wish(), worst_case=Money(2**63))
