"""A process that ends at any marked point leaves no machine that nobody wants, and never two for one wish."""

from __future__ import annotations

import asyncio
import contextlib
import re
from datetime import timedelta
from pathlib import Path

import pytest

import jupyter_gpu_bridge
from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.model import Order, WishId
from tests.rentals.renting.world import PRETEND, Renting, dying_at, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

BEFORE_THE_MACHINE = [
    "searched", "keys", "intent", "requested", "answered", "created", "running", "addressed", "aimed", "entered",
    "reachable", "granted", "counted",
]  # fmt: skip
WHEN_IT_ENDS = ["closed", "releasing", "destroy-asked", "destroyed", "accrued", "gone"]
ANSWER_LOST = ["unknown", "found"]
FAILED = ["failed", "refused"]
LIMIT = ["limit", "farewell"]
ASKING = ["wish", "unwanted", "in-use"]
"""`in-use` is tested with a kernel, in `test_kernels.py`; the others, in the process that asks, are not tested yet."""


def test_every_marked_point_is_tested() -> None:
    package = Path(jupyter_gpu_bridge.__file__).parent
    marked = {
        point for file in package.rglob("*.py") for point in re.findall(r'reached\("([a-z-]+)"\)', file.read_text())
    }
    assert marked == {*BEFORE_THE_MACHINE, *WHEN_IT_ENDS, *ANSWER_LOST, *FAILED, *LIMIT, *ASKING}
    assert len(marked) >= 20


@pytest.mark.parametrize("point", BEFORE_THE_MACHINE)
async def test_what_dies_on_the_way_goes_on_where_it_was(world: Renting, point: str) -> None:
    wish_id = await world.ask_until_there(point)
    assert len(world.billed()) <= 1
    standing = await world.bridge.arrive(await world.bridge.rental(wish_id), world.report)
    (machine,) = world.billed()
    assert standing.rental is not None
    assert machine["name"] == standing.rental.name
    await _end(world, wish_id)


@pytest.mark.parametrize("point", BEFORE_THE_MACHINE)
async def test_what_dies_on_the_way_and_is_not_wanted_any_more_leaves_nothing(world: Renting, point: str) -> None:
    wish_id = await world.ask_until_there(point)
    await _end(world, wish_id)


@pytest.mark.parametrize("point", WHEN_IT_ENDS)
async def test_what_dies_at_the_end_ends_it_when_it_is_back(world: Renting, point: str) -> None:
    with dying_at(point):
        standing = await world.rent()
        await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
        await until(lambda: not world.wardens())
    await world.bridge.guard()
    await world.until_over(standing.wish.wish_id)
    assert world.billed() == []
    assert world.created() == 1


@pytest.mark.parametrize("point", ANSWER_LOST)
@pytest.mark.parametrize("fault", ["answer-lost", "error-after", "garbage"])
async def test_a_machine_whose_answer_was_lost_is_found(world: Renting, point: str, fault: str) -> None:
    world.cloud.fault(fault, calls=1)
    wish_id = await world.ask_until_there(point)
    await _end(world, wish_id)
    assert world.created() == 1


@pytest.mark.parametrize("point", FAILED)
async def test_what_dies_as_an_attempt_fails_leaves_nothing(world: Renting, point: str) -> None:
    if point == "refused":
        world.cloud.fault("no-capacity", calls=1)
    else:
        world.cloud.fault("never-boots")
    wish_id = await world.ask_until_there(point)
    world.cloud.mend()
    await _end(world, wish_id)


@pytest.mark.parametrize("point", LIMIT)
async def test_what_dies_at_a_limit_ends_the_machine_when_it_is_back(world: Renting, point: str) -> None:
    with dying_at(point):
        order = Order(need=PRETEND.need, idle=timedelta(minutes=1))
        with contextlib.suppress(BridgeError):
            standing = await world.rent(order)
        await until(lambda: not world.wardens())
    await world.bridge.guard()
    await world.until_over(standing.wish.wish_id)
    assert world.billed() == []


async def _end(world: Renting, wish_id: WishId) -> None:
    await world.bridge.end_rental(wish_id, "It was a test.")
    await world.bridge.guard()
    await world.until_over(wish_id)
    assert world.billed() == []
    names = [each["name"] for each in world.cloud.log() if each["verb"] == "create"]
    assert len(names) == len(set(names)), "one request was sent twice"
    await until(lambda: not world.wardens())
    await asyncio.sleep(0)
