"""A rental at Vast.ai from the wish to its end, through the house, with wardens as processes and a real kernel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from jupyter_gpu_bridge.model import RENTED, Money, Profile, RentalState, WishId
from tests.rentals.renting import cuts_of_wardens as wardens
from tests.rentals.renting.cuts import ANSWERS
from tests.rentals.renting.test_kernels import _start, said
from tests.rentals.renting.world import Renting, renting, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180), pytest.mark.needs("ssh", "ssh-keygen")]


@pytest.fixture
def world() -> Iterator[Renting]:
    with renting(simulated="vast") as world:
        yield world


async def test_a_wish_becomes_a_kernel_and_ends_as_nothing(world: Renting) -> None:
    world.bridge.add_profile(Profile("rented", RENTED, order=world.order))
    manager = await _start()
    (machine,) = world.billed()
    code = "import os; print(os.environ['CONTAINER_ID'])"
    assert await said(manager, code) == f"{machine['machine_id']}\n"
    assert len([each for each in world.cloud.log() if each["verb"] == "create"]) == 1
    assert len([each for each in world.cloud.log() if each["verb"] == "attach"]) == 1
    (standing,) = await world.bridge.rentals()
    await manager.shutdown_kernel(now=True)
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    ended = await world.until_over(standing.wish.wish_id)
    assert world.billed() == []
    assert ended.rental is not None
    assert ended.rental.state is RentalState.GONE
    assert Money() < ended.rental.accrued <= ended.rental.worst_case


@pytest.mark.parametrize("point", ["requested", "answered", "created", "running"])
async def test_what_dies_between_the_order_and_the_id_goes_on_where_it_was(world: Renting, point: str) -> None:
    await wardens.on_the_way(world, "name:test", point, wanted=True)


@pytest.mark.parametrize("point", ["requested", "answered"])
async def test_what_dies_there_and_is_not_wanted_any_more_leaves_nothing(world: Renting, point: str) -> None:
    await wardens.on_the_way(world, "name:test", point, wanted=False)


@pytest.mark.parametrize("fault", ANSWERS)
async def test_a_machine_whose_answer_was_lost_is_found_by_its_label(world: Renting, fault: str) -> None:
    await wardens.as_the_answer_is_lost(world, "name:test", "found", fault=fault)
    assert world.created() == 1


async def test_with_everything_of_ours_dead_the_machine_ends_itself(world: Renting) -> None:
    standing = await world.rent(replace(world.order, lease=timedelta(minutes=1)))
    world.kill_wardens()
    await until(lambda: not world.billed(), within=150)
    (machine,) = world.cloud.machines()
    assert machine["end_reason"] == "asked by the machine"
    await world.bridge.guard()
    over = await world.until_over(standing.wish.wish_id)
    assert over.wish.closed_because.startswith("It ended itself while nothing of ours was there")


async def test_an_order_that_failed_and_left_an_instance_is_ended_and_the_next_offer_is_taken(world: Renting) -> None:
    world.cloud.control("POST", "vast/switch", {"create-fails": [410, 402]})
    standing = await world.rent()
    assert standing.rental is not None
    assert world.created() == 3
    assert [each["name"] for each in world.billed()] == [standing.rental.name]
    await _end(world, standing.wish.wish_id)


async def test_a_machine_whose_bid_is_beaten_is_destroyed(world: Renting) -> None:
    need = replace(world.order.need, allows_spot=True)
    standing = await world.rent(replace(world.order, need=need))
    assert standing.rental is not None
    assert standing.rental.offer.is_spot
    world.cloud.control("POST", "vast/outbid", {"machine": standing.rental.ref})
    over = await world.until_over(standing.wish.wish_id)
    assert over.wish.closed_because == "The provider took the machine back."
    assert world.billed() == []


async def _end(world: Renting, wish_id: WishId) -> None:
    await world.bridge.end_rental(wish_id, "It was a test.")
    await world.until_over(wish_id)
    assert world.billed() == []
