"""What happens when a command, of whoever asks or of the system's timer, dies at a marked point."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import timedelta

from jupyter_gpu_bridge.model import Order
from jupyter_gpu_bridge.rentals.reconcile import GRACE
from tests.rentals.renting.cuts_seen import end, look_until_over, one_machine_at_most, wish_of
from tests.rentals.renting.world import PRETEND, RATE, REPOSITORY, Renting, until


async def as_it_is_wished_for(world: Renting, key: str, *, comes_back: bool) -> None:
    """The same wish goes on for those who ask again; for one that nobody asks for nothing is ever rented."""
    name = key.partition(":")[2]
    rent = ["rent", "--name", name, "--provider", "sandbox", "--yes"]
    with one_machine_at_most(world) as made:
        assert await _command(*rent, dying_at="wish") == -signal.SIGKILL
        wish = await wish_of(world, f"name:{name}")
        assert wish.is_open
        assert made() == 0
        if comes_back:
            assert await _command(*rent) == 0
            standing = await world.bridge.rental(wish.wish_id)
            assert standing.rental is not None
            assert [each["name"] for each in world.billed()] == [standing.rental.name]
            assert await _command("stop", wish.wish_id, "--yes") == 0
        else:
            await world.bridge.guard()
            over = await world.until_over(wish.wish_id)
            assert over.wish.closed_because == "Whoever asked for this machine is gone."
            assert made() == 0
        assert world.billed() == []


async def as_it_is_ended(world: Renting, key: str, *, back: str) -> None:
    """Its warden ends it, or when that is dead as well, whoever is there first."""
    with one_machine_at_most(world):
        wish_id = (await world.rent(key=key)).wish.wish_id
        if back != "nobody":
            world.kill_wardens()
        assert await _command("stop", wish_id, "--yes", dying_at="unwanted") == -signal.SIGKILL
        assert not (await world.bridge.rental(wish_id)).wish.is_open
        if back == "the guard":
            await world.bridge.guard()
        if back == "whoever asked":
            assert await _command("stop", wish_id, "--yes") == 0
        await world.until_over(wish_id)
        assert world.billed() == []


# whoever looks after it ----------------------------------------------------------------------------------------------


async def as_an_orphan_is_found(world: Renting, key: str, point: str) -> None:
    """It is entered in the ledger by the next who looks, and ends, for nobody keeps it."""
    with one_machine_at_most(world):
        await world.lose_the_ledger(key)
        assert await _command("guard", dying_at=point) == -signal.SIGKILL
        (orphan,) = (await world.bridge.guard()).orphans
        standing = await world.bridge.rental(orphan.wish.wish_id)
        assert standing.warning is not None
        assert "--keep" in standing.warning.text
        await look_until_over(world, orphan.wish.wish_id)


async def as_an_orphan_is_kept(world: Renting, key: str, point: str) -> None:
    with one_machine_at_most(world):
        await world.lose_the_ledger(key)
        (orphan,) = (await world.bridge.guard()).orphans
        assert await _command("orphans", "--keep", orphan.seen.name, dying_at=point) == -signal.SIGKILL
        world.kill_wardens()
        await asyncio.sleep(GRACE.total_seconds() / RATE)
        await world.bridge.guard()
        standing = await world.bridge.rental(orphan.wish.wish_id)
        assert (standing.wish.is_open, standing.warning, len(world.billed())) == (True, None, 1)
        await end(world, orphan.wish.wish_id)


async def as_a_machine_is_back(world: Renting, key: str, point: str) -> None:
    with one_machine_at_most(world):
        standing = await world.rent(key=key)
        await end(world, standing.wish.wish_id)
        assert standing.rental is not None
        world.cloud.control("POST", f"machines/{standing.rental.ref}/resurrect")
        assert len(world.billed()) == 1
        assert await _command("guard", dying_at=point) == -signal.SIGKILL
        await look_until_over(world, standing.wish.wish_id)


async def as_a_deadline_is_put_off(world: Renting, key: str, point: str) -> None:
    """Its warden reads it in the ledger, and tells its provider."""
    with one_machine_at_most(world):
        standing = await world.rent(key=key)
        before = world.limit(standing)
        assert await _command("extend", standing.wish.wish_id, "30m", dying_at=point) == -signal.SIGKILL
        await until(lambda: world.limit(standing) > before)
        await end(world, standing.wish.wish_id)


async def as_what_a_colleague_left_is_ended(world: Renting, key: str, point: str) -> None:
    """Long past its deadline, and on a computer that nobody has switched on since."""
    with one_machine_at_most(world):
        standing = await world.rent(Order(need=PRETEND.need, deadline=timedelta(minutes=5)), key)
        world.kill_wardens()
        with world.another_installation():
            while (status := await _command("guard", dying_at=point)) == 0:
                pass
            assert status == -signal.SIGKILL
            assert not (await world.bridge.rental(standing.wish.wish_id)).wish.is_open
            await look_until_over(world, standing.wish.wish_id)


async def _command(*words: str, dying_at: str = "") -> int:
    """How `jupyter gpu` ended with these; whatever else is started lives."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "jupyter_gpu_bridge.cli",
        *words,
        cwd=REPOSITORY,
        env={**os.environ, "JUPYTER_GPU_BRIDGE_DIE_AT": dying_at},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await process.wait()
