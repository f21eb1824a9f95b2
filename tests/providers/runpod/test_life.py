"""The whole house on RunPod: from a wish to a kernel, and to nothing, whoever of us is dead by then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from jupyter_client.manager import AsyncKernelManager

from jupyter_gpu_bridge.errors import NothingFits
from jupyter_gpu_bridge.model import RENTED, Need, Order, Profile, RentalState
from jupyter_gpu_bridge.providers.runpod import RunPod
from tests.rentals.renting.test_kernels import said
from tests.rentals.renting.world import Renting, renting, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

ORDER = Order(need=Need(providers=("runpod",)), idle=timedelta(hours=6))


@pytest.fixture
def world() -> Iterator[Renting]:
    with renting(simulated="runpod") as world:
        yield world


def verbs(world: Renting, verb: str) -> Sequence[dict[str, Any]]:
    return [each for each in world.cloud.log() if each["verb"] == verb]


async def test_a_kernel_runs_on_a_pod_and_the_pod_is_ended_with_it(world: Renting) -> None:
    world.bridge.add_profile(Profile("rented", RENTED, order=ORDER))
    manager = AsyncKernelManager(kernel_name="gpu-bridge-rented")
    await manager.start_kernel()
    (machine,) = world.billed()
    assert await said(manager, "import os; print(os.environ['RUNPOD_POD_ID'])") == f"{machine['machine_id']}\n"
    await manager.shutdown_kernel(now=True)
    (standing,) = await world.bridge.rentals()
    assert standing.rental is not None
    assert machine["name"] == standing.rental.name
    assert await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    ended = await world.until_over(standing.wish.wish_id)
    assert ended.rental is not None
    assert ended.rental.state is RentalState.GONE
    assert world.billed() == []


async def test_a_power_cut_before_the_id_is_written_down_leaves_no_second_pod(world: Renting) -> None:
    wish_id = await world.ask_until_there("answered", order=ORDER)
    assert world.created() == 1
    standing = await world.rent(ORDER)
    assert standing.wish.wish_id == wish_id
    assert world.created() == 1
    assert await world.bridge.end_rental(wish_id, "It was a test.")
    await world.until_over(wish_id)
    assert world.billed() == []


async def test_a_create_whose_answer_is_lost_is_found(world: Renting) -> None:
    world.cloud.fault("answer-lost", calls=1)
    standing = await world.rent(ORDER)
    assert world.created() == 1
    assert standing.rental is not None
    assert standing.rental.ref == world.billed()[0]["machine_id"]
    assert await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    await world.until_over(standing.wish.wish_id)


async def test_with_everything_of_ours_dead_a_pod_ends_itself(world: Renting) -> None:
    """Here by GraphQL: whether REST takes the key of a pod is not known."""
    world.cloud.control("POST", "runpod", {"machine_keys": False})
    await world.rent(Order(need=ORDER.need, lease=timedelta(minutes=1)))
    world.kill_wardens()
    await until(lambda: not world.billed(), within=150)
    (ended,) = world.cloud.machines()
    assert ended["end_reason"] == "asked by the machine"
    tried = [(each["path"], each["outcome"]) for each in verbs(world, "destroy")]
    assert tried == [(f"/v2/pods/{ended['machine_id']}", 401), ("/graphql", 200)]


async def test_with_the_lease_cut_off_as_well_the_cloud_ends_a_pod(world: Renting) -> None:
    assert RunPod().traits.gaps() == ""
    await world.rent(Order(need=ORDER.need, deadline=timedelta(hours=1), idle=None))
    world.kill_wardens()
    world.cloud.fault("egress-blocked")
    world.cloud.advance(timedelta(days=2).total_seconds())
    (ended,) = world.cloud.machines()
    assert (ended["end_reason"], world.billed()) == ("limit", [])


async def test_stock_that_is_gone_makes_it_try_the_next_offer(world: Renting) -> None:
    world.cloud.fault("no-capacity", calls=2)
    standing = await world.rent(ORDER)
    assert [each["outcome"] for each in verbs(world, "create")] == [400, 400, 200]
    assert world.created() == 1
    assert await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    await world.until_over(standing.wish.wish_id)


async def test_a_gpu_that_our_image_does_not_run_on_is_rented_with_another_and_not_without(world: Renting) -> None:
    order = replace(ORDER, need=replace(ORDER.need, gpus=("MI300X",)))
    with pytest.raises(NothingFits, match=r"that the usual image runs on it \(--image gives another\) excludes"):
        await world.rent(order)
    assert world.created() == 0
    standing = await world.rent(replace(order, image="rocm/pytorch"))
    assert standing.rental is not None
    assert standing.rental.offer.gpu == "MI300X"
    assert await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    await world.until_over(standing.wish.wish_id)


async def test_what_is_demanded_of_the_driver_is_demanded_of_the_pod(world: Renting) -> None:
    await world.rent(replace(ORDER, image="mine", need=replace(ORDER.need, cuda="12.5")))
    (pod,) = world.cloud.control("POST", "runpod", {})["pods"].values()
    assert (pod["image"], pod["least_cuda"]) == ("mine", "12.5")
