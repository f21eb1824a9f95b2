"""A cloud that does not say what it has done is asked for nothing more, by nobody, until that is known."""

from __future__ import annotations

import asyncio

import pytest

from jupyter_gpu_bridge.model import RentalState
from tests.rentals.renting.world import Renting, dying_at, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]


async def _states(world: Renting) -> list[RentalState]:
    return [each.rental.state for each in await world.bridge.rentals() if each.rental is not None]


async def test_another_order_waits_until_it_is_known_what_the_first_has_rented(world: Renting) -> None:
    world.cloud.fault("listing-lag", value=45)
    world.cloud.fault("answer-lost", calls=1)
    first = asyncio.ensure_future(world.rent(key="name:first"))
    await until(lambda: any(each["verb"] == "create" for each in world.cloud.log()))
    second = asyncio.ensure_future(world.rent(key="name:second"))
    standings = await asyncio.gather(first, second)
    assert {each["name"] for each in world.billed()} == {each.rental.name for each in standings if each.rental}
    assert world.created() == 2
    told = [event.text for event in await world.bridge.rental_events(standings[1].wish.wish_id)]
    assert any("not known yet whether sandbox has rented a machine for another order" in text for text in told)


async def test_whoever_waits_for_that_sees_to_it_that_somebody_looks(world: Renting) -> None:
    world.cloud.fault("answer-lost", calls=1)
    with dying_at("unknown"):
        killed = await world.want(key="name:killed")
        arriving = asyncio.ensure_future(world.bridge.arrive(killed, world.report))
        await until(lambda: world.created() == 1 and not world.wardens())
        arriving.cancel()
        await asyncio.gather(arriving, return_exceptions=True)
    standing = await world.rent(key="name:next")
    assert standing.rental is not None
    await world.until_over(killed.wish.wish_id)
    assert [each["name"] for each in world.billed()] == [standing.rental.name]
