from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from jupyter_gpu_bridge.errors import RentalUnknown
from jupyter_gpu_bridge.model import (
    AttemptId,
    Money,
    Need,
    Order,
    Ref,
    Rental,
    RentalState,
    Seen,
    SeenState,
    WhenBusy,
    WishId,
)
from jupyter_gpu_bridge.rentals.ledger import Ledger
from tests.rentals.ledger.scene import MINUTE, NOON, Scene

EVERYTHING = Order(
    Need(
        gpus=("A100 80 GB", "H100"),
        gpu_count=2,
        gpu_memory_mib=81920,
        max_price=Money.parse("3.123456"),
        providers=("vast", "runpod"),
        regions=("SE",),
        allows_spot=True,
        cpus=8,
        memory_mib=65536,
        disk_gib=100,
    ),
    budget=Money.parse("0.000001"),
    deadline=timedelta(days=3, microseconds=1),
    idle=None,
    lease=timedelta(seconds=90),
    when_busy=WhenBusy.STOP,
    image="pytorch:2",
    python="/opt/python",
)


def test_the_first_to_ask_makes_the_wish_and_all_others_get_it(ledger: Ledger) -> None:
    wish, is_new = ledger.wish("profile:box", EVERYTHING, "ada", NOON)
    assert is_new
    assert ledger.wish("profile:box", Order(), "ben", NOON + MINUTE) == (wish, False)
    other, is_new = ledger.wish("profile:other", Order(), "ben", NOON)
    assert is_new
    assert other.wish_id != wish.wish_id


def test_a_wish_is_read_back_as_it_was_written(ledger: Ledger) -> None:
    here = NOON.astimezone(timezone(timedelta(hours=-8)))
    wish, _ = ledger.wish("profile:box", EVERYTHING, "ada", here)
    assert wish.order == EVERYTHING
    assert (wish.key, wish.asked, wish.asked_by, wish.is_open) == ("profile:box", NOON, "ada", True)
    assert wish.asked.tzinfo is timezone.utc
    assert ledger.find_wish(wish.wish_id) == ledger.find_wish(wish.wish_id[:10].upper()) == wish


def test_after_a_wish_is_closed_its_key_is_free(ledger: Ledger) -> None:
    wish, _ = ledger.wish("profile:box", EVERYTHING, "ada", NOON)
    assert ledger.close_wish(wish.wish_id, "You asked for it.", NOON + MINUTE)
    assert not ledger.close_wish(wish.wish_id, "Something else.", NOON + 2 * MINUTE)
    closed = ledger.find_wish(wish.wish_id)
    assert (closed.closed, closed.closed_because) == (NOON + MINUTE, "You asked for it.")
    again, is_new = ledger.wish("profile:box", EVERYTHING, "ada", NOON + MINUTE)
    assert is_new
    assert ledger.wishes() == [again]
    assert ledger.wishes(open_only=False) == [closed, again]


def test_a_wish_that_is_not_there_is_said(ledger: Ledger) -> None:
    with pytest.raises(RentalUnknown, match="no wish 'beef'"):
        ledger.find_wish("beef")
    with pytest.raises(RentalUnknown):
        ledger.find_wish("%")
    with pytest.raises(RentalUnknown):
        ledger.find_wish("")
    with pytest.raises(RentalUnknown):
        ledger.close_wish(WishId("beef"), "", NOON)
    with pytest.raises(RentalUnknown):
        ledger.note(WishId("beef"), None, "warning", "Lost.", NOON)


def test_a_beginning_that_several_have_is_said(ledger: Ledger) -> None:
    ids = [ledger.wish(f"profile:{n}", Order(), "ada", NOON)[0].wish_id for n in range(17)]
    shared = next(first for first in "0123456789abcdef" if sum(each.startswith(first) for each in ids) > 1)
    with pytest.raises(RentalUnknown, match=f"Several wishes begin with '{shared}'"):
        ledger.find_wish(shared)


def test_a_time_without_its_zone_is_a_mistake_of_the_caller(ledger: Ledger) -> None:
    with pytest.raises(TypeError, match="time zone"):
        ledger.wish("profile:box", Order(), "ada", datetime(2026, 11, 20))
    assert not ledger.wishes()


def test_each_installation_has_its_own_wish_for_a_key(ledger: Ledger) -> None:
    mine, _ = ledger.wish("profile:box", EVERYTHING, "ada", NOON, "aaaaaaaa")
    yours, is_new = ledger.wish("profile:box", EVERYTHING, "ben", NOON, "bbbbbbbb")
    assert is_new
    assert (mine.installation, yours.installation) == ("aaaaaaaa", "bbbbbbbb")
    assert ledger.wish("profile:box", EVERYTHING, "ada", NOON, "aaaaaaaa") == (mine, False)


def test_what_is_open_or_has_a_machine_is_not_settled(scene: Scene) -> None:
    ledger = scene.ledger
    searched = scene.wish("name:searched", NOON)
    rented = scene.rental("name:rented", now=NOON + MINUTE)
    ending = scene.rental("name:ending", now=NOON + 2 * MINUTE)
    ledger.close_wish(ending.wish_id, "It was stopped.", NOON + 3 * MINUTE)
    given_up = scene.wish("name:given-up", NOON + 3 * MINUTE)
    ledger.close_wish(given_up, "It was given up.", NOON + 4 * MINUTE)
    assert [wish.wish_id for wish in ledger.unsettled()] == [searched, rented.wish_id, ending.wish_id]
    _end(ledger, ending, NOON + 5 * MINUTE)
    assert [wish.wish_id for wish in ledger.unsettled()] == [searched, rented.wish_id]


def test_what_was_settled_since_a_moment_is_shown_on_request(scene: Scene) -> None:
    ledger = scene.ledger
    ended = scene.rental("name:ended", now=NOON)
    ledger.close_wish(ended.wish_id, "It was stopped.", NOON + MINUTE)
    _end(ledger, ended, NOON + 5 * MINUTE)
    given_up = scene.wish("name:given-up", NOON + 2 * MINUTE)
    ledger.close_wish(given_up, "It was given up.", NOON + 3 * MINUTE)
    assert [wish.wish_id for wish in ledger.unsettled(NOON + 3 * MINUTE)] == [ended.wish_id, given_up]
    assert [wish.wish_id for wish in ledger.unsettled(NOON + 4 * MINUTE)] == [ended.wish_id]
    assert ledger.unsettled(NOON + 6 * MINUTE) == []


def _end(ledger: Ledger, rental: Rental, now: datetime) -> None:
    for state in (RentalState.RELEASING, RentalState.GONE):
        ledger.advance(rental.attempt_id, state, now=now)


def test_a_wish_is_meant_by_an_attempt_of_it_but_never_where_a_wish_begins_so(scene: Scene) -> None:
    ledger, one, other = scene.ledger, scene.wish("a"), scene.wish("b")
    of_one = next(f"{first}0" for first in "0123456789abcdef" if first not in (one[0], other[0]))
    scene.intend(one, attempt_id=AttemptId(of_one.ljust(32, "0")), name="first")
    scene.intend(other, attempt_id=AttemptId(one[:4].ljust(32, "0")), name="second")
    assert ledger.wish_meant(of_one.upper()).wish_id == one
    assert ledger.wish_meant(one[:4]).wish_id == one
    for nothing in ("", "%", "xyz"):
        with pytest.raises(RentalUnknown, match="There is no wish"):
            ledger.wish_meant(nothing)


def test_what_was_kept_meanwhile_is_not_closed_and_what_was_closed_is_not_kept(ledger: Ledger) -> None:
    kept, ended = [_adopted(ledger, name) for name in ("a", "b")]
    assert ledger.keep(kept, "found:a", "kept:a", NOON)
    assert not ledger.close_wish(kept.wish_id, "Nobody wanted it.", NOON + MINUTE, only_for="found:a")
    assert ledger.find_wish(kept.wish_id).is_open
    assert ledger.close_wish(ended.wish_id, "Nobody wanted it.", NOON + MINUTE, only_for="found:b")
    assert not ledger.keep(ended, "found:b", "kept:b", NOON)
    assert not ledger.keep(kept, "found:a", "kept:c", NOON)
    assert [ledger.find_wish(each.wish_id).key for each in (kept, ended)] == ["kept:a", "found:b"]
    told = [[event.kind for event in ledger.events(each.wish_id)] for each in (kept, ended)]
    assert told == [["state", "warning", "settled"], ["state", "warning", "state"]]


def _adopted(ledger: Ledger, name: str) -> Rental:
    return ledger.adopt(
        f"found:{name}",
        "sandbox",
        "account",
        Seen(Ref(name), name, SeenState.RUNNING, is_billed=True),
        NOON,
        attempt_id=AttemptId(name * 32),
        host_key="",
        is_pretend=True,
        warning="It ends soon.",
    )


def test_a_wish_is_found_by_what_it_is_for_when_that_is_clear(ledger: Ledger) -> None:
    scene = Scene(ledger)
    first = scene.wish("name:my_box", NOON)
    scene.wish("name:myXbox", NOON)
    ledger.close_wish(first, "It was stopped.", NOON + MINUTE)
    assert ledger.wish_meant("my_box").wish_id == first
    again = scene.wish("name:my_box", NOON + MINUTE)
    assert ledger.wish_meant("my_box").wish_id == again
    other = scene.wish("profile:my_box", NOON + MINUTE)
    with pytest.raises(RentalUnknown, match=r"may mean several things"):
        ledger.wish_meant("my_box")
    ledger.close_wish(other, "It was stopped.", NOON + MINUTE)
    ending = scene.bring(scene.intend(scene.wish("name:ending")), RentalState.RELEASING)
    ledger.close_wish(ending.wish_id, "It was stopped.", NOON + MINUTE)
    scene.wish("profile:ended", NOON)
    assert ledger.wish_meant("ending").wish_id == ending.wish_id
    for nothing in ("", "my", "box", "nobody"):
        with pytest.raises(RentalUnknown, match="There is no wish"):
            ledger.wish_meant(nothing)


def test_a_name_that_is_the_beginning_of_another_id_is_not_clear(ledger: Ledger) -> None:
    scene = Scene(ledger)
    other = scene.wish("name:other", NOON)
    named = scene.wish(f"name:{other[:4]}", NOON)
    with pytest.raises(RentalUnknown, match=f"may mean several things: it is the name of {named[:8]}"):
        ledger.wish_meant(other[:4])
    assert ledger.wish_meant(other[:8]).wish_id == other
