"""A profile with an order is a kernel like any other, and a machine that is shared, kept and never rented twice."""

from __future__ import annotations

import asyncio
import signal
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import AsyncKernelManager
from traitlets.config import Config

from jupyter_gpu_bridge.errors import RentalEnded
from jupyter_gpu_bridge.model import RENTED, KernelId, Order, Profile, RentalState
from jupyter_gpu_bridge.rentals.ledger import Ledger
from jupyter_gpu_bridge.rentals.warden.warden import OTHERS_WITHIN
from tests.kernels.jupyter import JupyterServer
from tests.kernels.serving import Server
from tests.rentals.renting.world import PRETEND, Renting, renting, time_passes, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]


def _add(world: Renting, order: Order = PRETEND) -> None:
    world.bridge.add_profile(Profile("rented", RENTED, order=order))


async def _start(name: str = "gpu-bridge-rented") -> AsyncKernelManager:
    manager = AsyncKernelManager(kernel_name=name)
    await manager.start_kernel(kernel_id=str(uuid.uuid4()))
    return manager


async def said(manager: AsyncKernelManager, code: str) -> str:
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
    assert await said(manager, code) == f"{machine['machine_id']}\n"
    await manager.restart_kernel()
    assert await said(manager, code) == f"{machine['machine_id']}\n"
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


async def test_a_start_that_is_cancelled_when_the_machine_is_there_ends_it(world: Renting) -> None:
    _add(world)
    starting = asyncio.ensure_future(_start())
    await until(lambda: _state(world) in (RentalState.REACHABLE, RentalState.IN_USE))
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    (standing,) = await world.bridge.rentals()
    over = await world.until_over(standing.wish.wish_id)
    assert over.wish.closed_because == "The start was cancelled."
    assert world.billed() == []


async def test_another_start_that_is_cancelled_ends_nothing(world: Renting) -> None:
    _add(world)
    manager = await _start()
    starting = asyncio.ensure_future(_start())
    await until(lambda: len(world.home.processes("launch.py")) > 1)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await asyncio.sleep(OTHERS_WITHIN + 1)
    assert await said(manager, "print(1)") == "1\n"
    await manager.shutdown_kernel(now=True)
    assert len(world.billed()) == 1


async def test_kernels_of_a_profile_share_its_machine(world: Renting) -> None:
    _add(world)
    one, other = await asyncio.gather(_start(), _start())
    assert world.created() == 1
    assert await said(one, "print(1)") == await said(other, "print(1)") == "1\n"
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


async def test_a_kernel_whose_rental_was_ended_is_dead_and_neither_it_nor_its_warden_is_started_again(
    world: Renting, tmp_path: Path
) -> None:
    _add(world)
    server = Server(tmp_path, Config({"KernelRestarter": {"time_to_dead": 0.1}}))
    kernel_id = await server.start("gpu-bridge-rented")
    happened: list[str] = []
    for event in ("restart", "dead"):
        server.on(event, kernel_id, partial(happened.append, event))
    (standing,) = await world.bridge.rentals()
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    await until(lambda: happened)
    assert happened == ["dead"]
    assert kernel_id not in server
    await world.until_over(standing.wish.wish_id)
    folder = world.folder(standing.machine)
    await until(lambda: "the link ends" in (folder / "link.log").read_text() and not world.wardens())
    await asyncio.sleep(1.5)  # in which there was a next one, and so on for ever
    assert (folder / "link.log").read_text().count("the link starts") == 1
    assert list((folder / "kernels").glob("*")) == []
    await server.close()


async def test_a_restart_of_a_kernel_whose_rental_was_ended_says_so_at_once(world: Renting) -> None:
    _add(world)
    manager = await _start()
    (standing,) = await world.bridge.rentals()
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    await world.until_over(standing.wish.wish_id)
    with pytest.raises(RentalEnded, match=r"It was a test\."):
        await asyncio.wait_for(manager.restart_kernel(), 20)
    await manager.shutdown_kernel(now=True)
    assert world.created() == 1


@pytest.fixture
def slow_world() -> Iterator[Renting]:
    """Where a minute is a minute."""
    with renting(rate=1) as world:
        yield world


async def test_a_server_ends_at_once_while_the_machine_of_a_kernel_boots(slow_world: Renting, tmp_path: Path) -> None:
    _add(slow_world)
    slow_world.cloud.fault("slow-boot", value=3600)
    server = JupyterServer(tmp_path)
    server.start()
    starting = asyncio.ensure_future(server.ask("api/kernels", {"name": "gpu-bridge-rented"}))
    await until(lambda: len(slow_world.billed()) == 1)
    await asyncio.wait_for(server.end(signal.SIGTERM), 15)
    await asyncio.gather(starting, return_exceptions=True)
    (standing,) = await slow_world.bridge.rentals(ended=True)
    over = await slow_world.until_over(standing.wish.wish_id)
    assert over.wish.closed_because == "The start was cancelled."
    assert slow_world.billed() == []


def _state(world: Renting) -> RentalState | None:
    from jupyter_gpu_bridge.rentals.ledger import Ledger

    with Ledger.open() as ledger:
        return next((rental.state for rental in ledger.rentals()), None)


async def test_a_kernel_whose_machine_ended_while_all_slept_is_not_said_to_survive(world: Renting) -> None:
    """A warden that slept along knows no more than its kernel: the provider is asked before anybody is told."""
    _add(world, replace(PRETEND, lease=timedelta(minutes=1)))
    manager = await _start()
    kernel_id = KernelId(str(manager.kernel_id))
    assert await world.bridge.surviving(kernel_id)
    (standing,) = await world.bridge.rentals()
    assert standing.rental is not None
    asleep = world.wardens()
    for process in asleep:
        process.suspend()
    try:
        world.cloud.control("POST", f"machines/{standing.rental.ref}/reclaim", {"notice": 0})
        await time_passes(minutes=5)
        surviving = asyncio.ensure_future(world.bridge.surviving(kernel_id))
        await asyncio.sleep(0)
    finally:
        for process in asleep:
            process.resume()
    assert not await asyncio.wait_for(surviving, 30)
    over = await world.until_over(standing.wish.wish_id)
    assert over.rental is not None
    assert "ended itself" in over.rental.reason
    await manager.shutdown_kernel(now=True)
