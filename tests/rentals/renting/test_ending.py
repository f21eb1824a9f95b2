"""The end of a machine, where something is in the way: of it, or of another one of the same wish."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from jupyter_gpu_bridge.model import CreatePlan, Money, RentalState
from jupyter_gpu_bridge.rentals.ledger import Ledger
from tests.rentals.renting.world import PRETEND, Renting, time_passes, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

LONG = replace(PRETEND, lease=timedelta(hours=6))
"""Nothing of it ends by itself in a test."""


async def test_a_machine_that_is_back_is_ended_also_while_the_other_one_cannot_be(world: Renting) -> None:
    world.cloud.fault("never-boots", calls=1)
    standing = await world.rent(LONG)
    assert standing.rental is not None
    (first,) = [each for each in world.cloud.machines() if each["name"] != standing.rental.name]
    world.cloud.fault("error-before", verb="destroy", machine=str(standing.rental.ref), calls=1000)
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    world.cloud.control("POST", f"machines/{first['machine_id']}/resurrect")
    assert len(world.billed()) == 2
    await world.bridge.guard()
    await until(lambda: [each["name"] for each in world.billed()] == [standing.rental.name])  # type: ignore[union-attr]
    world.cloud.mend()
    await world.until_over(standing.wish.wish_id)
    assert world.billed() == []


async def test_what_was_ended_by_hand_is_seen_also_where_we_may_not_end_it(world: Renting) -> None:
    standing = await world.rent()
    assert standing.rental is not None
    world.cloud.fault("error-before", verb="destroy", calls=1000)
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    await _complained(world, standing.wish.wish_id)
    world.cloud.control("POST", f"machines/{standing.rental.ref}/reclaim", {"notice": 0})
    over = await world.until_over(standing.wish.wish_id)
    assert over.rental is not None
    assert over.rental.state is RentalState.GONE


async def test_what_cannot_be_ended_is_counted_all_the_while(world: Renting) -> None:
    standing = await world.rent(LONG)
    assert standing.rental is not None
    world.cloud.fault("api-down")
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    before = await _accrued(world, standing.wish.wish_id)
    enough = before + standing.rental.price.during(timedelta(minutes=8))
    while await _accrued(world, standing.wish.wish_id) < enough:
        await time_passes(minutes=1)
    (machine,) = world.billed()
    assert await _accrued(world, standing.wish.wish_id) <= Money.parse(
        machine["billed"]
    ) + standing.rental.price.during(timedelta(minutes=2))
    world.cloud.mend()
    await world.until_over(standing.wish.wish_id)


async def test_what_is_wanted_no_more_is_ended_by_the_wardens_of_others(world: Renting) -> None:
    """Whoever closed it died before he could say so to anybody, and its warden as well."""
    unwanted = await world.rent(LONG, key="name:unwanted")
    world.kill_wardens()
    with Ledger.open() as ledger:
        ledger.close_wish(unwanted.wish.wish_id, "It was a test.", unwanted.wish.asked)
    other = await world.rent(LONG, key="name:other")
    assert other.rental is not None
    await until(lambda: [each["name"] for each in world.billed()] == [other.rental.name])  # type: ignore[union-attr]
    await world.bridge.end_rental(other.wish.wish_id, "It was a test.")
    await world.until_over(other.wish.wish_id)


async def test_of_two_machines_of_one_name_the_second_is_ended(world: Renting) -> None:
    """Whatever lies on the way to the provider has sent the request twice."""
    standing = await world.rent(LONG)
    assert standing.rental is not None
    await _made_again(world, standing.rental.name)
    assert len(world.billed()) == 2
    await world.bridge.guard()
    assert [each["machine_id"] for each in world.billed()] == [standing.rental.ref]
    told = [each.text for each in await world.bridge.rental_events(standing.wish.wish_id)]
    assert any("has made a second machine for" in each for each in told)
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    await world.until_over(standing.wish.wish_id)
    assert world.billed() == []


async def _made_again(world: Renting, name: str) -> None:
    cloud: Any = world.cloud.provider()
    try:
        offer = next(each for each in await cloud.offers(PRETEND.need) if not each.is_spot)
        key = world.cloud.identity.with_name(f"{world.cloud.identity.name}.pub").read_text()
        await cloud.create(CreatePlan(offer, name, key, "", timedelta(hours=8)))
    finally:
        await cloud.close()


async def _accrued(world: Renting, wish_id: Any) -> Money:
    rental = (await world.bridge.rental(wish_id)).rental
    assert rental is not None
    return rental.accrued


async def _complained(world: Renting, wish_id: Any) -> None:
    async def has() -> bool:
        return any("is not gone yet" in each.text for each in await world.bridge.rental_events(wish_id))

    while not await has():
        await asyncio.sleep(0.1)
