from __future__ import annotations

import time
from dataclasses import replace

import pytest
from sqlalchemy import text, update

from jupyter_gpu_bridge.db import open_database, tables
from jupyter_gpu_bridge.errors import LedgerBroken, RentalUnknown
from jupyter_gpu_bridge.model import AttemptId, RentalState, WishId
from jupyter_gpu_bridge.rentals.ledger import Ledger
from tests.rentals.ledger.scene import MINUTE, NOON, Scene


def test_the_newest_is_the_first(ledger: Ledger, scene: Scene) -> None:
    states = (RentalState.IN_USE, RentalState.GONE, RentalState.UNKNOWN)
    old, gone, new = (
        scene.rental(f"profile:{n}", state=state, now=NOON + n * MINUTE) for n, state in enumerate(states)
    )
    assert ledger.rentals() == [new, old]
    assert ledger.rentals(live_only=False) == [new, gone, old]
    assert ledger.rentals(live_only=False, newest=2) == [new, gone]
    assert ledger.rentals(newest=1) == [new]


def test_a_rental_is_found_by_the_beginning_of_its_id(scene: Scene) -> None:
    first = scene.intend(scene.wish("a"), attempt_id=AttemptId("abc1" + 28 * "0"), name="first")
    scene.intend(scene.wish("b"), attempt_id=AttemptId("abc2" + 28 * "0"), name="second")
    assert scene.ledger.find_rental("abc1") == scene.ledger.find_rental(" ABC10 ") == first
    with pytest.raises(RentalUnknown, match="Several rentals begin with 'abc': abc"):
        scene.ledger.find_rental("abc")
    for nothing in ("", "%", "_bc1", "abc3"):
        with pytest.raises(RentalUnknown, match="There is no rental"):
            scene.ledger.find_rental(nothing)


@pytest.mark.parametrize(("column", "junk"), [("state", "hibernating"), ("offer", '{"provider": 7'), ("offer", "{}")])
def test_a_machine_is_found_and_ended_whatever_else_is_unreadable(
    url: str, scene: Scene, column: str, junk: str
) -> None:
    rental = scene.rental(state=RentalState.UNKNOWN)
    database, _ = open_database(url)
    with database.writing() as connection:
        connection.execute(update(tables.rentals).values({column: junk}))
    database.close()
    (found,) = scene.ledger.rentals()
    assert (found.attempt_id, found.state, found.provider) == (rental.attempt_id, RentalState.UNKNOWN, "vast")
    assert found.offer.price == rental.price
    ended = scene.ledger.advance(rental.attempt_id, RentalState.RELEASING, now=NOON)
    assert ended.state is RentalState.RELEASING


def test_an_order_that_is_unreadable_is_said(url: str, scene: Scene) -> None:
    scene.rental()
    database, _ = open_database(url)
    with database.writing() as connection:
        connection.execute(text("UPDATE ledger_wishes SET wanted = 'junk'"))
    database.close()
    with pytest.raises(LedgerBroken, match="cannot be read"):
        scene.ledger.wishes()
    assert len(scene.ledger.rentals()) == 1


@pytest.mark.timeout(120)
def test_fifty_live_ones_among_a_thousand_are_listed_at_once(url: str, scene: Scene) -> None:
    example = scene.rental(state=RentalState.CREATED)
    database, _ = open_database(url)
    with database.writing() as connection:
        row = dict(connection.execute(tables.rentals.select()).one()._mapping)
        wish = dict(connection.execute(tables.wishes.select()).one()._mapping)
        connection.execute(
            tables.wishes.insert(), [wish | {"wish_id": WishId(f"w{n}"), "key": f"k{n}"} for n in range(999)]
        )
        many = [row | {"attempt_id": f"a{n}", "wish_id": f"w{n}", "name": f"n{n}"} for n in range(999)]
        connection.execute(
            tables.rentals.insert(), [each | ({"state": "gone"} if n >= 49 else {}) for n, each in enumerate(many)]
        )
    database.close()
    times = []
    for _ in range(5):
        start = time.perf_counter()
        scene.ledger.rentals()
        times.append(time.perf_counter() - start)
    assert min(times) < 0.05, times
    live = scene.ledger.rentals()
    assert len(live) == 50
    assert replace(live[-1], attempt_id=example.attempt_id, wish_id=example.wish_id, name=example.name) == example
