"""A machine that cannot reach its provider cannot end itself: it frees its GPU, and whoever comes back ends it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from jupyter_gpu_bridge.agent.lease_folder import VERSION, LeaseFolder
from jupyter_gpu_bridge.model import RENTED, Profile
from tests.rentals.renting.world import DEADLINE, PRETEND, Renting, until
from tests.sandbox.cloud import lives

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]


async def test_a_machine_that_cannot_reach_its_provider_stops_its_kernels_and_is_ended_from_here(
    world: Renting,
) -> None:
    kernel = await _kernel_of_a_client_that_dies(world)
    (machine,) = world.billed()
    home = Path(machine["folder"]) / "disk" / "home" / ".jupyter-gpu-bridge"
    lease = LeaseFolder(home / "lease")
    assert lives(kernel)

    lease.write("grant", f"{VERSION} the-last 1 0")
    await until(lambda: not lives(kernel))
    await until(lambda: "Should the machine still be there, that is tried again" in (home / "lease/log").read_text())
    asked = [each for each in world.cloud.log() if (each["verb"], each["key"]) == ("destroy", "machine")]
    assert asked
    assert all(each["fault"] == "egress-blocked" for each in asked)
    assert len(world.billed()) == 1

    await world.bridge.guard()
    (standing,) = await world.bridge.rentals(ended=True)
    over = await world.until_over(standing.wish.wish_id)
    assert over.wish.closed_because == "Its lease ran out while nobody could reach it, and its kernels were stopped."
    assert world.billed() == []
    assert world.created() == 1


async def _kernel_of_a_client_that_dies(world: Renting) -> int:
    """Its process; and nothing of ours lives here any more."""
    world.bridge.add_profile(Profile("rented", RENTED, order=PRETEND))
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.rentals.renting.kernel_client", "rented", stdout=asyncio.subprocess.PIPE
    )
    assert client.stdout is not None
    try:
        kernel = int(await asyncio.wait_for(client.stdout.readline(), DEADLINE))
        world.cloud.fault("egress-blocked")
    finally:
        client.kill()
        await client.wait()
        world.kill_wardens()
    return kernel
