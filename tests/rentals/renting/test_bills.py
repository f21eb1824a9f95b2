"""A provider may bill more than its price per hour comes to: what it says that it has billed counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from jupyter_gpu_bridge.model import Money, Rental, WishId
from jupyter_gpu_bridge.rentals.billing import BILLED
from tests.rentals.renting.world import PRETEND, Renting, renting, time_passes

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]


async def _rental(world: Renting, wish_id: WishId) -> Rental:
    rental = (await world.bridge.rental(wish_id)).rental
    assert rental is not None
    return rental


async def _told(world: Renting, wish_id: WishId) -> list[str]:
    return [each.text for each in await world.bridge.rental_events(wish_id) if each.kind == BILLED]


def _charge(world: Renting, rental: Rental, amount: float) -> None:
    world.cloud.control("POST", f"machines/{rental.ref}/fee", {"amount": amount})


async def test_what_is_billed_besides_counts_against_the_budget(world: Renting) -> None:
    standing = await world.rent(replace(PRETEND, budget=Money.parse("2")))
    wish_id, rental = standing.wish.wish_id, await _rental(world, standing.wish.wish_id)
    _charge(world, rental, 0.75)
    while (await _rental(world, wish_id)).accrued < Money.parse("0.75"):
        await time_passes(minutes=1)
    (told,) = await _told(world, wish_id)
    assert "more than its price per hour comes to" in told
    _charge(world, rental, 1.25)
    over = await world.until_over(wish_id)
    assert over.wish.closed_because == "Its budget of $2.00 is used up."
    assert world.billed() == []


async def test_what_was_billed_until_the_end_is_asked_for_at_the_end(world: Renting) -> None:
    standing = await world.rent()
    wish_id = standing.wish.wish_id
    _charge(world, await _rental(world, wish_id), 0.5)
    await world.bridge.end_rental(wish_id, "It was a test.")
    await world.until_over(wish_id)
    ended = await _rental(world, wish_id)
    (machine,) = world.cloud.machines()
    assert ended.accrued >= Money.parse(machine["billed"]) >= Money.parse("0.5")
    costs = await world.bridge.costs("provider")
    assert [each.cost for each in costs] == [ended.accrued]


async def test_a_provider_that_does_not_say_what_it_has_billed_keeps_nobody_waiting(world: Renting) -> None:
    standing = await world.rent()
    wish_id = standing.wish.wish_id
    _charge(world, await _rental(world, wish_id), 0.5)
    world.cloud.fault("garbage", verb="billing")
    await world.bridge.end_rental(wish_id, "It was a test.")
    await world.until_over(wish_id)
    assert world.billed() == []
    assert await _told(world, wish_id) == []
    assert (await _rental(world, wish_id)).accrued < Money.parse("0.5")


@pytest.fixture(params=["runpod", "vast"])
def elsewhere(request: pytest.FixtureRequest) -> Iterator[Renting]:
    with renting(simulated=request.param) as world:
        yield world


async def test_the_bill_of_a_real_cloud_is_read(elsewhere: Renting) -> None:
    world = elsewhere
    standing = await world.rent()
    wish_id = standing.wish.wish_id
    _charge(world, await _rental(world, wish_id), 0.5)
    await world.bridge.end_rental(wish_id, "It was a test.")
    await world.until_over(wish_id)
    (told,) = await _told(world, wish_id)
    assert "more than its price per hour comes to" in told
    assert world.billed() == []
