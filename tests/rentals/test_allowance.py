"""An order is one sum and one time, over however many attempts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from jupyter_gpu_bridge.model import Money, Order, RentalState
from jupyter_gpu_bridge.rentals.allowance import Allowance
from tests.renting import ASKED, RENTED, minutes

PRICE = Money.parse("1.20")
ORDER = Order(deadline=timedelta(hours=2), budget=Money.parse("2"), agreed=Money.parse("2"))
FAILED = replace(RENTED, state=RentalState.GONE, accrued=Money.parse("0.50"), written=ASKED)


def test_the_first_attempt_has_all_of_it() -> None:
    allowance = Allowance.of(ORDER, [], ASKED)
    assert allowance == Allowance(timedelta(hours=2), Money.parse("2"), Money.parse("2"))
    assert allowance.lasts(PRICE) == timedelta(minutes=100)
    assert allowance.worst_case(PRICE) == Money.parse("2")
    assert allowance.forbids(PRICE) == ""


def test_what_others_took_is_gone() -> None:
    allowance = Allowance.of(ORDER, [FAILED, replace(FAILED, written=minutes(10))], minutes(30))
    assert allowance == Allowance(timedelta(minutes=90), Money.parse("1"), Money.parse("1"), spent=Money.parse("1"))
    assert allowance.in_all(PRICE) == Money.parse("2")
    assert allowance.lasts(PRICE) == timedelta(minutes=50)
    assert allowance.lasts(Money.parse("0.10")) == timedelta(minutes=90)


@pytest.mark.parametrize(
    ("spent", "after", "price", "why"),
    [
        ("2.00", 30, "1.20", "its budget is used up"),
        ("1.99", 30, "1.20", "its budget is used up"),
        ("0.10", 120, "1.20", "its deadline has come"),
        ("0.10", 30, "1.20", ""),
    ],
)
def test_nothing_is_tried_for_which_nothing_is_left(spent: str, after: int, price: str, why: str) -> None:
    attempt = replace(FAILED, accrued=Money.parse(spent))
    assert Allowance.of(ORDER, [attempt], minutes(after)).forbids(Money.parse(price)) == why


def test_nothing_is_rented_that_could_cost_more_than_was_agreed() -> None:
    agreed = Order(deadline=timedelta(hours=8), agreed=Money.parse("3.12"))
    assert Allowance.of(agreed, [], ASKED).forbids(Money.parse("0.39")) == ""
    refused = Allowance.of(agreed, [], ASKED).forbids(Money.parse("0.40"))
    assert refused == "it could cost $3.20 in all, and $3.12 was agreed"


def test_with_a_budget_as_well_nothing_dearer_is_rented_than_was_shown() -> None:
    """Its bill would be the same: it would only be had for less long."""
    order = Order(deadline=timedelta(hours=8), budget=Money.parse("2"), agreed=Money.parse("2"), agreed_price=PRICE)
    allowance = Allowance.of(order, [], ASKED)
    assert allowance.forbids(PRICE) == ""
    assert allowance.forbids(Money.parse("9")) == f"it costs $9.00 per hour, and {PRICE} was agreed"
