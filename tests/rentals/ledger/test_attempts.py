from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jupyter_gpu_bridge.errors import (
    AccountUnclear,
    AttemptUnderWay,
    BadRequest,
    HostKeyChanged,
    RentalEnded,
    RentalUnknown,
)
from jupyter_gpu_bridge.model import AttemptId, Money, Ref, RentalState, WishId
from jupyter_gpu_bridge.rentals.installation import new_attempt_id
from jupyter_gpu_bridge.rentals.ledger import Ledger
from jupyter_gpu_bridge.rentals.ledger.steps import STEPS
from tests.rentals.ledger.scene import HOUR, MINUTE, NOON, OFFER, ORDER, Scene

GONE, RELEASING = RentalState.GONE, RentalState.RELEASING
EIGHT_HOURS = Money.parse("3.20")


def test_an_intent_is_read_back_as_it_was_written(ledger: Ledger, scene: Scene) -> None:
    offer = replace(OFFER, seen=NOON, is_spot=True)
    rental = scene.intend(scene.wish(), offer=offer)
    assert rental.state is RentalState.INTENT
    assert rental.offer == offer
    assert (rental.provider, rental.account, rental.price) == ("vast", "fingerprint", Money.parse("0.40"))
    assert (rental.cap, rental.worst_case, rental.accrued) == (ORDER.budget, Money.parse("3.00"), Money())
    assert (rental.written, rental.deadline) == (NOON, NOON + ORDER.deadline)
    assert (rental.requested, rental.created, rental.gone, rental.ref) == (None, None, None, None)
    assert ledger.find_rental(rental.attempt_id) == ledger.by_name(rental.name) == rental
    assert list(ledger.of_wish(rental.wish_id)) == list(ledger.rentals()) == [rental]


def test_a_whole_life(ledger: Ledger, scene: Scene) -> None:
    attempt = scene.intend(scene.wish()).attempt_id
    asked = ledger.advance(attempt, RentalState.REQUESTED, now=NOON + MINUTE)
    assert asked.requested == NOON + MINUTE
    made = ledger.advance(attempt, RentalState.CREATED, now=NOON + 2 * MINUTE, ref=Ref("m-1"))
    assert (made.created, made.ref) == (NOON + 2 * MINUTE, "m-1")
    there = ledger.advance(attempt, RentalState.REACHABLE, now=NOON + HOUR, address="10.0.0.7", port=40022, user="me")
    assert (there.address, there.port, there.user) == ("10.0.0.7", 40022, "me")
    used = ledger.advance(attempt, RentalState.IN_USE, now=NOON + HOUR, lease_until=NOON + 2 * HOUR)
    assert used.lease_until == NOON + 2 * HOUR
    ending = ledger.advance(attempt, RELEASING, now=NOON + 2 * HOUR, reason="It was idle.")
    assert ending.state.is_live
    gone = ledger.advance(attempt, GONE, now=NOON + 3 * HOUR)
    assert (gone.gone, gone.reason, gone.ref) == (NOON + 3 * HOUR, "It was idle.", "m-1")
    assert list(ledger.rentals()) == []
    assert list(ledger.rentals(live_only=False)) == [gone]
    assert [(event.kind, event.text) for event in ledger.events(gone.wish_id)] == [
        ("state", "Written down; nothing has been sent."),
        ("state", "The machine is asked for."),
        ("state", "There is a machine."),
        ("state", "The machine can be reached."),
        ("state", "The machine is in use."),
        ("state", "The machine is being ended. It was idle."),
        ("state", "The machine is gone."),
    ]


@pytest.mark.parametrize("before", list(RentalState))
def test_each_step_is_possible_or_refused_as_the_table_says(ledger: Ledger, scene: Scene, before: RentalState) -> None:
    for to in RentalState:
        rental = scene.rental(f"profile:{to.value}", state=before, account=f"account of {to.value}")
        if to is before or to in STEPS[before]:
            assert ledger.advance(rental.attempt_id, to, now=NOON).state is to
            continue
        with pytest.raises(RentalEnded if before in (RELEASING, GONE) else BadRequest):
            ledger.advance(rental.attempt_id, to, now=NOON, address="elsewhere")
        assert ledger.find_rental(rental.attempt_id) == rental


def test_the_same_state_again_adds_facts_and_no_history(ledger: Ledger, scene: Scene) -> None:
    rental = scene.rental(state=RentalState.CREATED)
    events = ledger.events(rental.wish_id)
    again = ledger.advance(rental.attempt_id, RentalState.CREATED, now=NOON + HOUR, address="10.0.0.7")
    assert again == replace(rental, address="10.0.0.7")
    assert ledger.events(rental.wish_id) == events


def test_facts_are_learned_in_any_state(ledger: Ledger, scene: Scene) -> None:
    rental = scene.rental(state=RELEASING)
    assert ledger.learn(rental.attempt_id, address="10.0.0.7") == replace(rental, address="10.0.0.7")
    with pytest.raises(TypeError, match="'adress' is no fact"):
        ledger.learn(rental.attempt_id, **{"adress": "10.0.0.7"})  # type: ignore[arg-type]


def test_the_first_reason_of_an_end_stays(ledger: Ledger, scene: Scene) -> None:
    attempt = scene.rental().attempt_id
    ledger.advance(attempt, RELEASING, now=NOON, reason="The budget is used up.")
    assert ledger.advance(attempt, RELEASING, now=NOON, reason="You asked for it.").reason == "The budget is used up."
    with pytest.raises(RentalEnded, match=r"being ended already\. The budget is used up\."):
        ledger.advance(attempt, RentalState.IN_USE, now=NOON)


def test_why_it_was_unclear_is_forgotten_when_it_is_clear(ledger: Ledger, scene: Scene) -> None:
    attempt = scene.rental(state=RentalState.REQUESTED).attempt_id
    assert ledger.advance(attempt, RentalState.UNKNOWN, now=NOON, reason="No answer.").reason == "No answer."
    assert ledger.advance(attempt, RentalState.CREATED, now=NOON, ref=Ref("m-1")).reason == ""


def test_the_provider_may_know_since_when_it_is_gone(ledger: Ledger, scene: Scene) -> None:
    attempt = scene.rental().attempt_id
    assert ledger.advance(attempt, GONE, now=NOON + 2 * HOUR, gone=NOON + HOUR).gone == NOON + HOUR
    other = scene.rental("profile:other").attempt_id
    assert ledger.advance(other, GONE, now=NOON + 2 * HOUR, gone=NOON + 9 * HOUR).gone == NOON + 2 * HOUR


# what must never change ----------------------------------------------------------------------------------------------


def test_a_machine_never_becomes_another_one(ledger: Ledger, scene: Scene) -> None:
    rental = scene.rental(state=RentalState.CREATED)
    with pytest.raises(BadRequest, match="cannot become 'm-other'"):
        ledger.learn(rental.attempt_id, ref=Ref("m-other"))
    assert ledger.find_rental(rental.attempt_id) == rental


def test_a_host_key_is_pinned(ledger: Ledger, scene: Scene) -> None:
    rental = scene.rental(state=RentalState.CREATED)
    with pytest.raises(HostKeyChanged):
        ledger.advance(rental.attempt_id, RentalState.REACHABLE, now=NOON, host_key="ssh-ed25519 BBBB")
    assert ledger.find_rental(rental.attempt_id) == rental


def test_a_price_only_rises_and_the_worst_case_with_it_up_to_the_budget(ledger: Ledger, scene: Scene) -> None:
    limited = scene.bring(scene.intend(scene.wish(), worst_case=Money.parse("2.00")), RentalState.CREATED)
    assert ledger.learn(limited.attempt_id, price=Money.parse("0.39")) == limited
    dearer = ledger.learn(limited.attempt_id, price=Money.parse("0.80"))
    assert (dearer.price, dearer.worst_case) == (Money.parse("0.80"), Money.parse("3.00"))  # the cap
    assert dearer.ceiling == dearer.cap


def test_without_a_budget_a_price_that_rises_does_not_raise_the_worst_case(ledger: Ledger, scene: Scene) -> None:
    """It was shown before anything was rented; only who asks for more time asks for more money."""
    free = scene.bring(scene.intend(scene.wish("profile:free"), cap=None, worst_case=EIGHT_HOURS), RentalState.CREATED)
    assert (free.worst_case, free.ceiling) == (EIGHT_HOURS, None)
    dearer = ledger.learn(free.attempt_id, price=Money.parse("0.80"))
    assert (dearer.price, dearer.worst_case, dearer.ceiling) == (Money.parse("0.80"), free.worst_case, free.worst_case)
    longer = ledger.learn(free.attempt_id, deadline=free.deadline + HOUR)
    assert longer.worst_case == longer.ceiling == EIGHT_HOURS + Money.parse("0.80")


# one at a time --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [state for state in RentalState if state.is_live])
def test_a_wish_has_one_attempt_that_is_not_gone(scene: Scene, state: RentalState) -> None:
    rental = scene.rental(state=state)
    with pytest.raises(AttemptUnderWay) as raised:
        scene.intend(rental.wish_id)
    assert rental.name in raised.value.what
    assert "Nothing new was rented." in raised.value.billing
    if state is RentalState.UNKNOWN:
        assert "not known yet whether vast has rented" in raised.value.what
    scene.intend(scene.wish("profile:other"), account="another")


def test_the_next_attempt_comes_after_the_last_is_gone(ledger: Ledger, scene: Scene) -> None:
    first = scene.rental(state=GONE)
    second = scene.intend(first.wish_id, now=NOON + MINUTE)
    assert list(ledger.of_wish(first.wish_id)) == [second, first]


def test_nothing_more_is_rented_where_it_is_not_known_what_was(ledger: Ledger, scene: Scene) -> None:
    unclear = scene.rental("name:unclear", state=RentalState.UNKNOWN)
    other = scene.wish("name:other")
    with pytest.raises(AccountUnclear, match=unclear.name) as caught:
        scene.intend(other)
    assert caught.value.details["wish"] == unclear.wish_id
    assert scene.intend(scene.wish("name:elsewhere"), offer=replace(OFFER, provider="lambda")).provider == "lambda"
    ledger.advance(unclear.attempt_id, GONE, now=NOON)
    assert scene.intend(other).wish_id == other


def test_nothing_is_rented_for_a_closed_or_unknown_wish(ledger: Ledger, scene: Scene) -> None:
    wish = scene.wish()
    ledger.close_wish(wish, "You asked for it.", NOON)
    with pytest.raises(RentalEnded, match=r"This order is closed\. You asked for it\."):
        scene.intend(wish)
    with pytest.raises(RentalUnknown):
        scene.intend(WishId("beef"))
    assert not ledger.rentals(live_only=False)


@pytest.mark.parametrize("same", ["attempt_id", "name"])
def test_an_attempt_is_written_down_once(scene: Scene, same: str) -> None:
    first = scene.intend(scene.wish())
    again: dict[str, Any] = {same: getattr(first, same)}
    with pytest.raises(AttemptUnderWay):
        scene.intend(scene.wish("profile:other"), **again)


def test_a_resurrected_machine_is_ended_again_and_stands_in_nobodys_way(ledger: Ledger, scene: Scene) -> None:
    first = scene.rental(state=GONE)
    assert list(ledger.recently_gone(NOON + 23 * HOUR)) == [first]
    assert list(ledger.recently_gone(NOON + 25 * HOUR)) == []
    second = scene.bring(scene.intend(first.wish_id, now=NOON + HOUR), RentalState.IN_USE, NOON + HOUR)
    back = ledger.resurrect(first.attempt_id, NOON + 2 * HOUR, "The provider started it again.")
    assert (back.state, back.gone) == (RELEASING, None)
    assert set(ledger.rentals()) == {back, second}
    assert ledger.events(first.wish_id)[-1].kind == "warning"
    with pytest.raises(BadRequest):
        ledger.resurrect(first.attempt_id, NOON + 2 * HOUR, "")
    ledger.advance(second.attempt_id, GONE, now=NOON + 3 * HOUR)
    third = scene.intend(first.wish_id, now=NOON + 3 * HOUR)
    ended = ledger.advance(first.attempt_id, GONE, now=NOON + 3 * HOUR)
    assert ended.gone == NOON + 3 * HOUR
    assert list(ledger.rentals()) == [third]


def test_a_rental_that_is_not_there_is_said(ledger: Ledger) -> None:
    nobody = AttemptId(new_attempt_id())
    with pytest.raises(RentalUnknown):
        ledger.find_rental(nobody)
    for call in (
        lambda: ledger.advance(nobody, GONE, now=NOON),
        lambda: ledger.learn(nobody, address=""),
        lambda: ledger.accrue(nobody, NOON),
        lambda: ledger.bill(nobody, Money(1)),
        lambda: ledger.resurrect(nobody, NOON, ""),
        lambda: ledger.stage(nobody, "booting", MINUTE, "vast", "H100"),
    ):
        with pytest.raises(RentalUnknown):
            call()
    assert ledger.by_name("gpu-bridge-aaaaaaaa-bbbbbbbbbbbb") is None
