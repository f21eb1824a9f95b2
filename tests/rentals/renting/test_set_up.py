"""Machines that can be entered and not be set up: destroyed, or kept for a while to be looked at."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from jupyter_gpu_bridge.errors import KeptForDebugging
from jupyter_gpu_bridge.model import RentalState
from tests.rentals.renting.command import ran
from tests.rentals.renting.world import PRETEND, Renting, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

KEEPING = replace(PRETEND, keeps_failed=True, deadline=timedelta(minutes=15))


async def test_a_machine_whose_set_up_fails_is_destroyed_and_the_next_offer_is_tried(world: Renting) -> None:
    world.cloud.fault("no-python", calls=1)
    standing = await world.rent()
    assert world.created() == 2
    (machine,) = world.billed()
    assert standing.rental is not None
    assert machine["name"] == standing.rental.name
    events = [event.text for event in await world.bridge.rental_events(standing.wish.wish_id)]
    assert any("its set-up failed for 2 min (There is no Python 3.8 or newer" in text for text in events), events
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    await world.until_over(standing.wish.wish_id)


async def test_a_machine_whose_set_up_fails_is_kept_up_to_its_deadline_where_that_is_wanted(world: Renting) -> None:
    world.cloud.fault("no-python")
    standing = await world.want(KEEPING)
    with pytest.raises(
        KeptForDebugging, match=r"There is no Python .* is kept until \d\d:\d\d UTC, and costs .* ssh -i"
    ):
        await world.bridge.arrive(standing, world.report)
    world.kill_wardens()
    await world.bridge.guard()
    with pytest.raises(KeptForDebugging):
        await world.bridge.arrive(standing, world.report)
    listed = await ran("ls")
    assert "kept (failed)" in listed.out
    assert "Its set-up failed for 2 min" in listed.err
    (machine,) = world.billed()
    over = await world.until_over(standing.wish.wish_id)
    assert over.wish.closed_because.startswith("It was kept long enough. Its set-up failed for 2 min")
    assert world.billed() == []
    assert world.created() == 1
    assert over.rental is not None
    assert machine["name"] == over.rental.name


async def test_a_machine_is_kept_for_half_an_hour_and_ended_when_it_was_looked_at(world: Renting) -> None:
    world.cloud.fault("no-python")
    failed = await ran("rent", "--provider", "sandbox", "--keep-failed", "--name", "broken")
    assert failed.status == 1
    assert "is kept until" in failed.err
    (standing,) = await world.bridge.rentals()
    assert standing.rental is not None
    assert standing.rental.state is RentalState.CREATED
    assert standing.rental.created is not None
    kept = standing.rental.deadline - standing.rental.created
    assert timedelta(minutes=30) <= kept <= timedelta(minutes=40), "half an hour, from when it was given up"
    stopped = await ran("stop", standing.wish.wish_id[:8])
    assert stopped.status == 0
    assert world.billed() == []
    await until(lambda: not world.wardens())
