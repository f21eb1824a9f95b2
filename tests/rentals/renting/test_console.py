"""What a machine that cannot be used has written on its own console is kept, and its end does not wait for that."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_gpu_bridge.errors import KeptForDebugging, RentFailed
from jupyter_gpu_bridge.model import Event, Order, RentalState, WishId
from jupyter_gpu_bridge.rentals.last_lines import WITHIN
from jupyter_gpu_bridge.rentals.ledger.steps import sentence
from tests.rentals.renting.command import ran
from tests.rentals.renting.world import PRETEND, RATE, Renting, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

WORDS = "dpkg: error: no space left on the device"


@pytest.mark.parametrize("fault", ["no-ssh", "no-python"])
async def test_the_words_of_a_machine_that_failed_are_kept_and_shown_as_its_own(world: Renting, fault: str) -> None:
    world.cloud.fault(fault, calls=1)
    standing = await world.want()
    arriving = asyncio.ensure_future(world.bridge.arrive(standing, world.report))
    machine = await written_by_the_first_machine(world, f"\x1b[31m{WORDS}\x1b[0m\n")
    standing = await arriving
    (event,) = await console_of(world, standing.wish.wish_id)
    assert event.text.splitlines()[-1] == WORDS
    assert standing.rental is not None
    assert event.attempt_id not in (None, standing.rental.attempt_id)
    assert asked(world) == [machine["machine_id"]], "once, and no machine that is well"

    shown = (await ran("show", standing.wish.wish_id)).out
    told, _, lines = shown.partition(f"\nWhat the machine of the attempt {(event.attempt_id or '')[:8]} itself")
    assert WORDS not in told
    assert lines.splitlines()[0] == " has written last:"
    assert lines.splitlines()[-1] == f"    {WORDS}"
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    await world.until_over(standing.wish.wish_id)
    assert len(await console_of(world, standing.wish.wish_id)) == 1, (
        "one that is ended because it was stopped is not asked"
    )


async def test_they_are_beside_the_sentence_that_tells_of_all_attempts_and_not_in_it(world: Renting) -> None:
    world.cloud.fault("no-ssh")
    standing = await world.want()
    arriving = asyncio.ensure_future(world.bridge.arrive(standing, world.report))
    await written_by_the_first_machine(world, f"{WORDS}\n")
    world.cloud.fault("no-capacity")
    with pytest.raises(RentFailed) as failed:
        await arriving
    assert failed.value.details["console"].splitlines()[-1] == WORDS
    assert WORDS not in str(failed.value)
    over = await world.until_over(standing.wish.wish_id)
    assert WORDS not in over.wish.closed_because
    assert over.rental is not None
    assert WORDS not in over.rental.reason


async def test_a_machine_that_is_kept_has_its_words_kept_as_well(world: Renting) -> None:
    world.cloud.fault("no-python")
    standing = await world.want(replace(PRETEND, keeps_failed=True))
    arriving = asyncio.ensure_future(world.bridge.arrive(standing, world.report))
    machine = await written_by_the_first_machine(world, f"{WORDS}\n")
    with pytest.raises(KeptForDebugging):
        await arriving
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    await world.until_over(standing.wish.wish_id)
    (event,) = await console_of(world, standing.wish.wish_id)
    assert event.text.splitlines()[-1] == WORDS
    assert asked(world) == [machine["machine_id"]]


@pytest.mark.parametrize("fault", ["slow-answer", "error-before", "garbage", "answer-lost"])
async def test_a_console_that_is_not_told_does_not_keep_the_machine(world: Renting, fault: str) -> None:
    more = {"value": 3 * WITHIN * RATE} if fault == "slow-answer" else {}
    world.cloud.fault(fault, verb="console", **more)
    world.cloud.fault("never-boots", calls=1)
    standing = await world.want()
    arriving = asyncio.ensure_future(world.bridge.arrive(standing, world.report))
    while not await is_being_ended(world, standing.wish.wish_id):
        await asyncio.sleep(0.05)
    began = time.monotonic()
    await until(lambda: any(each["verb"] == "destroy" for each in world.cloud.log()))
    assert time.monotonic() - began < WITHIN + 2.0
    standing = await arriving
    (machine,) = world.billed()
    assert standing.rental is not None
    assert machine["name"] == standing.rental.name
    assert await console_of(world, standing.wish.wish_id) == []
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    await world.until_over(standing.wish.wish_id)


async def written_by_the_first_machine(world: Renting, text: str) -> dict[str, Any]:
    """On its console, after what its start script has said there."""
    await until(lambda: any(_console(each).exists() for each in world.billed()))
    (machine,) = world.billed()
    with _console(machine).open("a") as console:
        console.write(text)
    return machine


async def console_of(world: Renting, wish_id: WishId) -> list[Event]:
    return [event for event in await world.bridge.rental_events(wish_id) if event.is_console]


async def is_being_ended(world: Renting, wish_id: WishId) -> bool:
    """As the ledger says it; whatever dies from then on, somebody ends it."""
    return any(
        event.text.startswith(sentence(None, RentalState.RELEASING, ""))
        for event in await world.bridge.rental_events(wish_id)
    )


def asked(world: Renting) -> list[str]:
    """For the consoles of which machines."""
    return [each["machine"] for each in world.cloud.log() if each["verb"] == "console"]


def _console(machine: dict[str, Any]) -> Path:
    return Path(machine["folder"]) / "console.log"


async def words_of_one_that_nobody_can_enter_are_kept(world: Renting, order: Order | None = None) -> None:
    """At any cloud that tells logs: asked for once, and of that machine."""
    world.cloud.fault("no-ssh", calls=1)
    standing = await world.want(order)
    arriving = asyncio.ensure_future(world.bridge.arrive(standing, world.report))
    machine = await written_by_the_first_machine(world, f"\x1b[31m{WORDS}\x1b[0m\n")
    standing = await arriving
    (event,) = await console_of(world, standing.wish.wish_id)
    assert WORDS in event.text.splitlines()
    assert [each["machine"] for each in world.cloud.log() if each["verb"] == "logs"] == [machine["machine_id"]]
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    await world.until_over(standing.wish.wish_id)
