from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from jupyter_gpu_bridge.bridge import Standing
from jupyter_gpu_bridge.market.lessons import Lessons
from jupyter_gpu_bridge.model import Money, Order, Place, Reputation
from tests.bridges import ScriptedBridge
from tests.cli.calls import Call
from tests.renting import A100, RENTED, WISH, wish

WITH_LIMITS = ("--budget", "2", "--max-price", "0.3", "--provider", "sandbox", "--gpu", "A100")


def _order(bridge: ScriptedBridge) -> Order:
    (profile,) = bridge.profiles()
    assert profile.order is not None
    return profile.order


@pytest.mark.parametrize("rent", [("--rent",), ()])
def test_limits_that_are_not_given_again_stay_as_they_were(
    rent: tuple[str, ...], bridge: ScriptedBridge, call: Call
) -> None:
    call("profiles", "add", "p1", "--rent", *WITH_LIMITS)
    before = _order(bridge)
    assert (before.budget, before.need.max_price) == (Money.parse("2"), Money.parse("0.3"))
    assert call("profiles", "add", "p1", *rent, "--for", "1h").status == 0
    assert _order(bridge) == replace(before, deadline=timedelta(hours=1))
    call("profiles", "add", "p1", *rent, "--budget", "1")
    assert _order(bridge) == replace(before, deadline=timedelta(hours=1), budget=Money.parse("1"))


def test_a_limit_is_taken_back_by_saying_so(bridge: ScriptedBridge, call: Call) -> None:
    call("profiles", "add", "p1", "--rent", *WITH_LIMITS, "--spot", "--keep-failed", "--image", "a/b")
    none = ("--budget", "none", "--max-price", "none", "--provider", "", "--gpu", "", "--image", "")
    assert call("profiles", "add", "p1", *none, "--no-spot", "--no-keep-failed").status == 0
    assert _order(bridge) == Order()


def test_limits_of_what_is_not_rented_are_refused_and_not_forgotten(bridge: ScriptedBridge, call: Call) -> None:
    for words in (("p1", "--machine", "local", "--budget", "1"), ("p1", "--for", "1h")):
        answer = call("profiles", "add", *words)
        assert (answer.status, "--rent" in answer.err) == (1, True)
    call("profiles", "add", "p1", "--machine", "local")
    assert "--max-price is for what is rented, and local is not." in call("profiles", "add", "p1", "--max-price=1").err


def test_a_profile_says_what_it_can_cost_and_what_its_provider_cannot_promise(
    bridge: ScriptedBridge, call: Call
) -> None:
    bridge.offers = [A100]
    bridge.lacking = "Far cannot end this machine by itself."
    said = call("profiles", "add", "p1", "--rent", "--for", "6m", "--max-price", "2.5").err
    assert "The best offer is Pretend A100 80 GB at sandbox for $2.50 per hour." in said
    assert "the largest possible bill is $0.25." in said
    assert "Far cannot end this machine by itself." in said
    assert call("profiles", "add", "p1", "--json").data["worst_case"] == "0.250000"
    assert "largest possible bill is $0.01." in call("profiles", "add", "p1", "--budget", "0.00245").err


def test_what_any_of_the_providers_cannot_promise_is_told_and_what_traffic_costs(
    bridge: ScriptedBridge, call: Call
) -> None:
    far = replace(
        A100, provider="far", offer_id="offer-2", down_price=Money.parse("0.05"), up_price=Money.parse("0.02")
    )
    bridge.offers = [A100, far]
    bridge.lacking_at = {"far": "Far takes no time limit."}
    said = call("profiles", "add", "p1", "--rent", "--for", "6m").err
    assert "largest possible bill is $0.25, and traffic at up to $0.05 per GB received and $0.02 per GB sent." in said
    assert "Far takes no time limit." in said
    bridge.offers = [A100]
    said = call("profiles", "add", "p1", "--rent", "--for", "6m").err
    assert ("traffic" in said, "Far" in said) == (False, False)


def test_no_gpu_at_all_is_not_rented(bridge: ScriptedBridge, call: Call) -> None:
    bridge.offers = [A100]
    answer = call("rent", "--gpus", "0", "--yes")
    assert (answer.status, "0 GPUs are none." in answer.err) == (1, True)


def test_a_profile_says_so_when_nobody_can_say_what_it_costs(call: Call) -> None:
    said = call("profiles", "add", "p1", "--rent", "--budget", "2").err
    assert "What it will cost cannot be said now: Nothing is offered now." in said
    assert "$2.00" in said
    assert call("profiles", "add", "p1", "--json").data["worst_case"] is None


@pytest.mark.parametrize(
    ("key", "words"), [("profile:p1", ("profiles", "add", "p1", "--rent")), ("name:p1", ("rent", "--name", "p1"))]
)
def test_limits_of_what_is_rented_already_count_and_are_told(
    key: str, words: tuple[str, ...], bridge: ScriptedBridge, call: Call
) -> None:
    ends = datetime.now(timezone.utc) + timedelta(hours=3, minutes=1)
    bridge.standings = [Standing(wish(key=key), replace(RENTED, deadline=ends, cap=None))]
    answer = call(*words, "--budget", "1")
    said = answer.err
    assert answer.status == 0
    assert f"It is there already ({WISH[:8]}): Pretend A100 80 GB at sandbox for $2.50 per hour." in said
    assert "It ends after 3 h" in said
    assert "the largest possible bill is $5.00." in said
    assert "bill is $1.00" not in said
    assert f"jupyter gpu stop {WISH[:8]}" in said


def test_who_is_to_pay_more_because_something_has_failed_is_told_so(bridge: ScriptedBridge, call: Call) -> None:
    cheap = replace(A100, offer_id="offer-2", price=Money.parse("2"), host="h-1")
    bridge.offers = [A100, cheap]
    assert "comes after all others" not in call("profiles", "add", "p1", "--rent").err
    bridge.lessons = Lessons({Place.of(cheap): Reputation(tries=2, failures=2, why="it hung")})
    said = call("profiles", "add", "p1", "--rent").err
    assert "$2.00 per hour ($0.50 less): within 30 days its host failed 2 of 2 times (it hung)." in said
