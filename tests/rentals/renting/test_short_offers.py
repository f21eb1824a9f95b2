"""What can be had for a shorter time than until the deadline is rented by those who say so, and by nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from jupyter_gpu_bridge.errors import NothingFits
from jupyter_gpu_bridge.model import Order
from tests.rentals.renting.command import ran
from tests.rentals.renting.world import Renting, renting

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

_HOUR = timedelta(hours=1)


@pytest.fixture
def world() -> Iterator[Renting]:
    """Where everything ends after three hours."""
    with renting(simulated="vast") as world:
        world.cloud.control("POST", "vast/switch", {"lasts": 3 * 3600})
        yield world


async def test_what_ends_before_the_deadline_is_not_rented_and_it_is_said_why(world: Renting) -> None:
    order = replace(world.order, deadline=8 * _HOUR)
    with pytest.raises(NothingFits, match=r"to be had until the deadline in 8 h excludes 40") as refused:
        await world.rent(order)
    assert "--for" in refused.value.advice
    assert "--available-for" in refused.value.advice
    assert world.created() == 0


@pytest.mark.parametrize("how", ["earlier deadline", "so long is enough", "this very one"])
async def test_it_is_rented_by_those_to_whom_it_is_long_enough(world: Renting, how: str) -> None:
    plain = replace(world.order, deadline=2 * _HOUR)
    best = (await world.bridge.quote(plain)).best
    orders: dict[str, Order] = {
        "earlier deadline": plain,
        "so long is enough": replace(world.order, need=replace(world.order.need, lasts=2 * _HOUR)),
        "this very one": replace(world.order, need=replace(world.order.need, offers=(best.name,))),
    }
    standing = await world.rent(orders[how])
    told = [each.text for each in await world.bridge.rental_events(standing.wish.wish_id) if each.kind == "renting"]
    assert ("to be had for 3 h only" in told[0]) is (how != "earlier deadline")


async def test_whoever_names_one_is_told_for_how_long_it_can_be_had(world: Renting) -> None:
    best = (await world.bridge.quote(replace(world.order, deadline=2 * _HOUR))).best
    short = await ran("rent", "--provider", "vast", "--offer", best.name, "--for", "8h")
    assert "vast has it for 3 h only: then it ends, whatever runs on it." in short.err, short
    assert "Nothing was rented." in short.err, short
    budgeted = await ran("rent", "--provider", "vast", "--offer", best.name, "--for", "8h", "--budget", "0.01")
    assert "The best offer is" in budgeted.err, budgeted
    assert "3 h only" not in budgeted.err, budgeted
