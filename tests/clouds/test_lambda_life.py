"""A machine of Lambda's from the wish to its end, with a kernel on it: simulated cloud, real house, real kernel."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from jupyter_client.manager import AsyncKernelManager

from jupyter_gpu_bridge.errors import RentFailed
from jupyter_gpu_bridge.model import RENTED, Profile, RentalState
from tests.rentals.renting import cuts_of_wardens as wardens
from tests.rentals.renting.world import Renting, renting, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(150)]

KEY = "name:test"


@pytest.fixture
def world() -> Iterator[Renting]:
    with renting(simulated="lambda") as world:
        world.cloud.control("POST", "lambda", {"settles": 60})
        yield world


async def test_a_kernel_runs_there_and_nothing_is_left_of_it(world: Renting) -> None:
    world.bridge.add_profile(Profile("rented", RENTED, order=world.order))
    manager = AsyncKernelManager(kernel_name="gpu-bridge-rented")
    await manager.start_kernel(kernel_id=str(uuid.uuid4()))
    (machine,) = world.billed()
    code = "import os; print(os.environ['SANDBOX_MACHINE_ID'], os.environ['USER'])"
    assert await _said(manager, code) == f"{machine['machine_id']} ubuntu\n"
    await manager.restart_kernel()
    assert await _said(manager, code) == f"{machine['machine_id']} ubuntu\n"
    assert world.created() == 1
    assert len(_ssh_keys(world)) == 1
    await manager.shutdown_kernel(now=True)
    (standing,) = await world.bridge.rentals()
    assert standing.rental is not None
    assert standing.rental.offer.gpu == "Quadro RTX 6000"  # the cheapest with a GPU
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    ended = await world.until_over(standing.wish.wish_id)
    assert ended.rental is not None
    assert ended.rental.state is RentalState.GONE
    assert (world.billed(), _ssh_keys(world)) == ([], [])
    await until(lambda: not world.wardens())


@pytest.mark.parametrize(("point", "wanted"), [("requested", True), ("answered", True), ("answered", False)])
async def test_a_power_cut_between_the_launch_and_its_id_costs_no_second_machine(
    world: Renting, point: str, wanted: bool
) -> None:
    await wardens.on_the_way(world, KEY, point, wanted=wanted)
    await until(lambda: not world.wardens())
    assert _ssh_keys(world) == []


async def test_a_lost_answer_is_found_again(world: Renting) -> None:
    world.cloud.fault("answer-lost", calls=1)
    standing = await world.rent()
    assert world.created() == 1
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    await world.until_over(standing.wish.wish_id)
    assert (world.billed(), _ssh_keys(world)) == ([], [])


async def test_an_image_that_there_is_not_ends_the_rent_and_is_said(world: Renting) -> None:
    with pytest.raises(
        RentFailed, match=r"Tried 1 of \d+ offers: Lambda has no image 'windows'.*lambda-stack-22-04"
    ) as no:
        await world.rent(replace(world.order, image="windows"))
    assert "Nothing is billed" in str(no.value)
    assert not {each["verb"] for each in world.cloud.log()} & {"create", "add-key"}
    await until(lambda: not world.wardens())


async def test_one_that_never_gets_well_is_destroyed_and_another_is_rented(world: Renting) -> None:
    world.cloud.control("POST", "lambda", {"boots_unhealthy": 1})
    standing = await world.rent()
    assert world.created() == 2
    assert len(world.billed()) == 1
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    await world.until_over(standing.wish.wish_id)


async def test_nothing_but_a_terminate_ends_it_and_the_guard_gives_one(world: Renting) -> None:
    standing = await world.rent()
    world.kill_wardens()
    world.cloud.advance(timedelta(hours=24).total_seconds())
    assert len(world.billed()) == 1
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    await world.bridge.guard()
    await world.until_over(standing.wish.wish_id)
    assert (world.billed(), _ssh_keys(world)) == ([], [])


def _ssh_keys(world: Renting) -> list[Any]:
    found: list[Any] = world.cloud.ask("GET", "/api/v1/ssh-keys")[1]["data"]
    return found


async def _said(manager: AsyncKernelManager, code: str) -> str:
    client = manager.client()
    client.start_channels()
    said: list[str] = []
    try:
        await client.wait_for_ready(timeout=30)
        await client.execute_interactive(
            code, timeout=30, output_hook=lambda message: said.append(str(message["content"].get("text", "")))
        )
    finally:
        client.stop_channels()
    return "".join(said)
