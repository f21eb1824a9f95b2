from __future__ import annotations

from dataclasses import replace

import pytest

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.model import Event, RentalState
from tests.renting import ASKED, RENTED, WISH, minutes, warning, wish


def test_money_of_a_rental_is_exact_text() -> None:
    attempt = plain.attempt(RENTED)
    sums = {key: attempt[key] for key in ("price_per_hour", "cost", "cost_as_of", "budget", "worst_case")}
    assert sums == {
        "price_per_hour": "2.50",
        "cost": "1.250001",
        "cost_as_of": "2026-11-20T12:30:00+00:00",
        "budget": "5.00",
        "worst_case": "5.00",
    }
    assert plain.attempt(replace(RENTED, cap=None, accrued_until=None))["cost_as_of"] is None


@pytest.mark.parametrize(
    ("state", "address", "stage"),
    [
        (RentalState.INTENT, "", "renting"),
        (RentalState.REQUESTED, "", "renting"),
        (RentalState.UNKNOWN, "", "renting"),
        (RentalState.CREATED, "", "booting"),
        (RentalState.CREATED, "127.0.0.1", "connecting"),
        (RentalState.REACHABLE, "127.0.0.1", "ready"),
        (RentalState.IN_USE, "127.0.0.1", "in_use"),
        (RentalState.RELEASING, "127.0.0.1", "ending"),
        (RentalState.GONE, "127.0.0.1", "searching"),  # that attempt failed, and its wish is open: for another
    ],
)
def test_a_wanted_machine_is_at_a_stage(state: RentalState, address: str, stage: str) -> None:
    described = plain.rental(wish(), replace(RENTED, state=state, address=address))
    assert described["stage"] == stage


@pytest.mark.parametrize("state", RentalState)
def test_what_is_not_wanted_any_more_is_ending_until_it_is_gone(state: RentalState) -> None:
    closed = wish(closed=ASKED, closed_because="It was stopped.")
    described = plain.rental(closed, replace(RENTED, state=state))
    assert described["stage"] == ("gone" if state is RentalState.GONE else "ending")


def test_without_an_attempt_it_is_searched_for_or_gone() -> None:
    assert plain.rental(wish(), None)["stage"] == "searching"
    assert plain.rental(wish(closed=ASKED), None)["stage"] == "gone"


def test_a_warning_and_a_step_are_told_with_their_times() -> None:
    step = Event(minutes(1), WISH, None, "booting", "the machine starts (usually 40 s)")
    described = plain.rental(wish(), RENTED, warning("It is not gone yet.", at=minutes(3)), step)
    assert (described["warning"], described["warned"]) == ("It is not gone yet.", "2026-11-20T12:03:00+00:00")
    assert described["step"] == {
        "at": "2026-11-20T12:01:00+00:00",
        "attempt": None,
        "kind": "booting",
        "text": "the machine starts (usually 40 s)",
    }
    described = plain.rental(wish(), RENTED)
    assert (described["warning"], described["warned"], described["step"]) == ("", None, None)
