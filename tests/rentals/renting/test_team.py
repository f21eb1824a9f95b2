"""A team with one ledger: what one has rented is seen by all, looked after by that one, and ended by anybody."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from jupyter_gpu_bridge.errors import RentalElsewhere
from jupyter_gpu_bridge.model import Money, Order, WishId
from jupyter_gpu_bridge.rentals import guard
from jupyter_gpu_bridge.rentals.ledger import Ledger
from tests.rentals.renting.world import DEADLINE, PRETEND, Renting, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]


async def _rented_elsewhere(world: Renting, order: Order = PRETEND) -> str:
    """A machine of a colleague, whose warden is on another computer; it lives."""
    standing = await world.rent(order)
    world.kill_wardens()
    installation = world.home.bridge / "installation"
    installation.write_text("afarafar\n")
    return standing.wish.wish_id


async def test_a_guard_and_a_server_leave_what_others_have_rented_to_them(world: Renting) -> None:
    wish_id = await _rented_elsewhere(world)
    round_ = await world.bridge.guard()
    assert (list(round_.watched), list(round_.troubles)) == ([], [])
    assert [each.wish.wish_id for each in await world.bridge.rentals()] == [wish_id]
    assert not world.wardens()
    assert len(world.billed()) == 1


@pytest.mark.parametrize(
    "limits", [{"deadline": timedelta(minutes=10)}, {"budget": Money.parse("0.04")}], ids=["deadline", "budget"]
)
async def test_one_that_is_long_past_its_end_is_ended_by_whoever_sees_it(
    world: Renting, limits: dict[str, Any]
) -> None:
    """Whoever has rented it may be switched off, or lost."""
    wish_id = await _rented_elsewhere(world, replace(PRETEND, **limits))
    assert not (await world.bridge.guard()).troubles
    assert (await world.bridge.rental(wish_id)).wish.is_open, "the other one has its time"

    async def trouble() -> str:
        while not (troubles := (await world.bridge.guard()).troubles):
            await asyncio.sleep(0.2)
        return " ".join(troubles)

    assert "rented elsewhere by a test" in await asyncio.wait_for(trouble(), DEADLINE)
    over = await world.until_over(WishId(wish_id))
    assert over.wish.closed_because == "It was past its end, and whoever had rented it had not ended it."
    assert over.rental is not None
    assert over.rental.created is not None
    assert over.wish.closed is not None
    assert over.wish.closed - over.rental.created > guard.OVERDUE_AFTER
    assert world.billed() == []


async def test_whoever_tries_to_enter_it_is_told_and_nothing_is_ended(world: Renting) -> None:
    wish_id = await _rented_elsewhere(world)
    with pytest.raises(RentalElsewhere, match="rented elsewhere, by a test"):
        await world.bridge.arrive(await world.bridge.rental(wish_id), world.report)
    await until(lambda: not world.wardens())
    assert (await world.bridge.rental(wish_id)).wish.is_open
    assert len(world.billed()) == 1


async def test_anybody_can_end_it(world: Renting) -> None:
    wish_id = await _rented_elsewhere(world)
    with Ledger.open() as ledger:
        found = ledger.find_wish(wish_id)
    await world.bridge.end_rental(found.wish_id, "A colleague is on holiday.")
    await world.until_over(found.wish_id)
    assert world.billed() == []


async def test_the_same_name_is_another_wish_for_each_of_them(world: Renting) -> None:
    wish_id = await _rented_elsewhere(world)
    mine = await world.want()
    assert mine.wish.wish_id != wish_id
