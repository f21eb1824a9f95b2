from __future__ import annotations

from datetime import timedelta

import pytest

from jupyter_gpu_bridge.errors import RentalUnknown
from jupyter_gpu_bridge.model import AttemptId, Event, RentalState
from jupyter_gpu_bridge.rentals.ledger import Ledger
from tests.rentals.ledger.scene import HOUR, MINUTE, NOON, Scene


def test_what_happens_is_read_back_in_order(ledger: Ledger, scene: Scene) -> None:
    wish = scene.wish()
    ledger.note(wish, None, "searching", "12 offers fit.", NOON)
    rental = scene.intend(wish, now=NOON + MINUTE)
    ledger.note(wish, rental.attempt_id, "warning", "The clock went back.", NOON - HOUR)
    assert ledger.events(wish) == [
        Event(NOON, wish, None, "searching", "12 offers fit."),
        Event(NOON + MINUTE, wish, rental.attempt_id, "state", "Written down; nothing has been sent."),
        Event(NOON - HOUR, wish, rental.attempt_id, "warning", "The clock went back."),
    ]
    with pytest.raises(RentalUnknown):
        ledger.note(wish, AttemptId("beef"), "warning", "Whose?", NOON)
    assert len(ledger.events(wish)) == 3


def test_no_letter_that_a_machine_says_stops_its_end(ledger: Ledger, scene: Scene) -> None:
    rental = scene.rental()
    ending = ledger.advance(rental.attempt_id, RentalState.RELEASING, now=NOON, reason="Boot: \0\ud800 äöü 🚀")
    assert ending.reason == "Boot: ?? äöü 🚀"
    assert ledger.events(rental.wish_id)[-1].text == "The machine is being ended. Boot: ?? äöü 🚀"


def test_the_history_says_when_a_wish_was_closed(ledger: Ledger, scene: Scene) -> None:
    wish = scene.wish()
    ledger.close_wish(wish, "You asked for it.", NOON)
    assert [event.text for event in ledger.events(wish)] == ["The wish is closed. You asked for it."]


def test_the_usual_time_is_the_median_of_the_last_twenty(ledger: Ledger, scene: Scene) -> None:
    attempt = scene.rental(state=RentalState.CREATED).attempt_id
    for minutes in (500, 400, 300, *range(1, 21)):
        ledger.stage(attempt, "booting", minutes * MINUTE, "vast", "RTX 4090")
    ledger.stage(attempt, "connecting", timedelta(seconds=3, microseconds=1), "vast", "RTX 4090")
    ledger.stage(attempt, "booting", HOUR, "vast", "H100")
    ledger.stage(attempt, "booting", HOUR, "runpod", "RTX 4090")
    assert ledger.typical("vast", "RTX 4090") == {
        "booting": timedelta(minutes=10, seconds=30),
        "connecting": timedelta(seconds=3, microseconds=1),
    }
    assert ledger.typical("vast", "B200") == {}
