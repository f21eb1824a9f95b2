"""A cloud that does not say what it has done is asked for nothing more, by nobody, until that is known."""

from __future__ import annotations

import asyncio

import pytest

from jupyter_gpu_bridge.bridge import Standing
from jupyter_gpu_bridge.model import RentalState
from tests.rentals.renting.world import Renting

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]


async def test_another_order_waits_until_it_is_known_what_the_first_has_rented(world: Renting) -> None:
    first = await _unclear(world, "name:first")
    second = await world.want(key="name:second")
    arriving = asyncio.ensure_future(world.bridge.arrive(second, world.report))
    while not any("another order" in event.text for event in await world.bridge.rental_events(second.wish.wish_id)):
        await asyncio.sleep(0.05)
    assert world.created() == 1
    world.cloud.mend()
    standings = await asyncio.gather(first, arriving)
    assert {each["name"] for each in world.billed()} == {each.rental.name for each in standings if each.rental}
    assert world.created() == 2


async def test_whoever_waits_for_that_sees_to_it_that_somebody_looks(world: Renting) -> None:
    first = await _unclear(world, "name:first")
    (killed,) = await world.bridge.rentals()
    await world.bridge.end_rental(killed.wish.wish_id, "It was a test.")
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    world.kill_wardens()
    world.cloud.mend()
    standing = await world.rent(key="name:next")
    assert standing.rental is not None
    await world.until_over(killed.wish.wish_id)
    assert [each["name"] for each in world.billed()] == [standing.rental.name]


async def _unclear(world: Renting, key: str) -> asyncio.Future[Standing]:
    """Somebody who waits for a machine of which nobody can know until the cloud is mended."""
    world.cloud.fault("answer-lost", calls=1)
    world.cloud.fault("api-down", verb="list")
    arriving = asyncio.ensure_future(world.rent(key=key))
    while not any(each.rental and each.rental.state is RentalState.UNKNOWN for each in await world.bridge.rentals()):
        await asyncio.sleep(0.05)
    return arriving
