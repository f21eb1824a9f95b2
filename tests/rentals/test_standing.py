"""What is told of a wish: also the last warning, as long as there is something that it warns of."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from jupyter_gpu_bridge.model import AttemptId, Event, Money, RentalState
from jupyter_gpu_bridge.rentals.standing import Standing
from tests.renting import RENTED, WISH, minutes, over, warning, wish


def test_the_last_warning_about_the_newest_attempt_counts() -> None:
    of_another = warning("of another attempt", attempt=AttemptId("ee" * 16))
    last = warning("last", at=minutes(3))
    assert Standing.of(wish(), [RENTED], [warning("first"), last, of_another]).warning == last
    assert Standing.of(wish(), [RENTED], [of_another]).warning is None


def test_what_is_said_of_the_wish_itself_counts_as_well() -> None:
    of_the_wish = warning("It cannot be looked after.", attempt=None)
    assert Standing.of(wish(), [RENTED], [of_the_wish]).warning == of_the_wish
    assert Standing.of(wish(), [], [of_the_wish]).warning == of_the_wish


def test_nobody_is_warned_of_what_is_gone() -> None:
    ended = over()
    assert ended.rental is not None
    assert Standing.of(ended.wish, [ended.rental], [warning("It is not gone yet.")]).warning is None


def test_what_has_come_back_is_not_over_and_is_told() -> None:
    ended = over()
    assert ended.rental is not None
    back = replace(ended.rental, attempt_id=AttemptId("0" * 32), state=RentalState.RELEASING, has_returned=True)
    back = replace(back, written=ended.rental.written - timedelta(hours=1))
    told = warning("It is back.", attempt=back.attempt_id)
    standing = Standing.of(ended.wish, [ended.rental, back], [told])
    assert ended.is_over
    assert not standing.is_over
    assert (standing.rental, standing.returned, standing.warning) == (ended.rental, [back], told)


def test_what_an_earlier_attempt_has_cost_is_told_with_the_rest() -> None:
    failed = replace(
        RENTED, attempt_id=AttemptId("0" * 32), state=RentalState.GONE, accrued=Money.parse("0.25"), written=minutes(-5)
    )
    standing = Standing.of(wish(), [RENTED, failed], ())
    assert (standing.rental, standing.earlier) == (RENTED, Money.parse("0.25"))
    assert (standing.cost, standing.budget) == (Money.parse("1.500001"), Money.parse("5.25"))
    assert standing.worst_case == Money.parse("5.25")
    told = standing.plain()
    assert (told["cost"], told["earlier_cost"]) == ("1.500001", "0.25")
    assert Standing.of(wish(), [], ()).plain()["cost"] == "0.00"


def test_what_nobody_has_counted_is_told_by_its_price_and_since_when_that_is_so() -> None:
    a_moment_later = Standing.of(wish(), [RENTED], (), seen=minutes(31))
    assert a_moment_later.unwatched_since is None
    much_later = Standing.of(wish(), [RENTED], (), seen=minutes(60))
    assert much_later.unwatched_since == minutes(30)
    assert much_later.cost == RENTED.accrued + Money.parse("1.25")
    assert much_later.told_unwatched.startswith("It is not looked after since 2026-11-20 12:30 UTC")
    told = much_later.plain()
    assert (told["cost"], told["unwatched_since"]) == ("2.500001", "2026-11-20T12:30:00+00:00")


def test_what_is_not_there_any_more_is_counted_no_further() -> None:
    gone = replace(RENTED, state=RentalState.GONE, gone=minutes(30))
    standing = Standing.of(wish(), [gone], (), seen=minutes(60))
    assert (standing.cost, standing.unwatched_since) == (RENTED.accrued, None)
    ending = Standing.of(wish(), [replace(RENTED, state=RentalState.RELEASING)], (), seen=minutes(60))
    assert ending.cost > RENTED.accrued
    assert ending.unwatched_since is None


def test_what_is_being_done_for_it_is_told() -> None:
    steps = [
        Event(minutes(0), WISH, None, "searching", "looking for offers"),
        Event(minutes(1), WISH, None, "booting", "the machine starts"),
        Event(minutes(2), WISH, None, "state", "The machine can be reached."),
    ]
    assert Standing.of(wish(), [RENTED], steps).step == steps[1]
    assert Standing.of(wish(), [RENTED], ()).step is None
