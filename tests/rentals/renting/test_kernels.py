"""A profile with an order is a kernel like any other, and a machine that is shared, kept and never rented twice."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from jupyter_client.manager import AsyncKernelManager

from jupyter_gpu_bridge.model import RENTED, Order, Profile, RentalState
from jupyter_gpu_bridge.rentals.ledger import Ledger
from tests.rentals.renting.world import PRETEND, Renting, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]


def _add(world: Renting, order: Order = PRETEND) -> None:
    world.bridge.add_profile(Profile("rented", RENTED, order=order))


async def _start(name: str = "gpu-bridge-rented") -> AsyncKernelManager:
    manager = AsyncKernelManager(kernel_name=name)
    await manager.start_kernel(kernel_id=str(uuid.uuid4()))
    return manager


async def _said(manager: AsyncKernelManager, code: str) -> str:
    client = manager.client()
    client.start_channels()
    said: list[str] = []

    def note(message: dict[str, Any]) -> None:
        said.append(str(message["content"].get("text", "")))

    try:
        await client.wait_for_ready(timeout=30)
        await client.execute_interactive(code, timeout=30, output_hook=note)
    finally:
        client.stop_channels()
    return "".join(said)


async def test_a_rented_kernel_runs_there_and_a_restart_rents_nothing(world: Renting) -> None:
    _add(world)
    manager = await _start()
    (machine,) = world.billed()
    code = "import os; print(os.environ['SANDBOX_MACHINE_ID'])"
    assert await _said(manager, code) == f"{machine['machine_id']}\n"
    await manager.restart_kernel()
    assert await _said(manager, code) == f"{machine['machine_id']}\n"
    assert world.created() == 1
    (standing,) = await world.bridge.rentals()
    await until(lambda: _state(world) is RentalState.IN_USE)
    await manager.shutdown_kernel(now=True)
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    await world.until_over(standing.wish.wish_id)


async def test_how_long_each_stage_takes_is_learned_and_told(world: Renting) -> None:
    _add(world)
    await (await _start()).shutdown_kernel(now=True)
    (standing,) = await world.bridge.rentals()
    assert standing.rental is not None
    with Ledger.open() as ledger:
        typical = ledger.typical("sandbox", standing.rental.offer.gpu)
    assert set(typical) == {"renting", "booting", "connecting", "starting"}
    next_one = await world.rent(key="name:next")
    events = await world.bridge.rental_events(next_one.wish.wish_id)
    told = {event.kind: event.text for event in events if "(usually " in event.text}
    assert set(told) == {"renting", "booting", "connecting"}


async def test_kernels_of_a_profile_share_its_machine(world: Renting) -> None:
    _add(world)
    one, other = await asyncio.gather(_start(), _start())
    assert world.created() == 1
    assert await _said(one, "print(1)") == await _said(other, "print(1)") == "1\n"
    for manager in (one, other):
        await manager.shutdown_kernel(now=True)
    assert len(world.billed()) == 1, "the idle limit ends it, not the last kernel"


async def test_a_machine_that_nobody_uses_ends_and_its_kernel_is_dead_and_told_why(world: Renting) -> None:
    _add(world, replace(PRETEND, idle=timedelta(minutes=2)))
    manager = await _start()
    (standing,) = await world.bridge.rentals()
    over = await world.until_over(standing.wish.wish_id)
    assert over.wish.closed_because == "Nobody has used it for 2 min."
    assert world.billed() == []
    assert not await manager.is_alive()
    await manager.shutdown_kernel(now=True)


def _state(world: Renting) -> RentalState | None:
    from jupyter_gpu_bridge.rentals.ledger import Ledger

    with Ledger.open() as ledger:
        return next((rental.state for rental in ledger.rentals()), None)
