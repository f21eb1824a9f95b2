"""What happens when a process dies at a marked point, as stories; each that returns has left nothing that is billed.

They may be told one after another in one world, each for a key of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from jupyter_client.manager import AsyncKernelManager

from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.model import RENTED, Order, Profile, Wish, WishId
from tests.rentals.renting.world import PRETEND, REPOSITORY, Renting, dying_at, until

BEFORE_THE_MACHINE = [
    "searched", "keys", "intent", "requested", "answered", "created", "running", "addressed", "aimed", "entered",
    "reachable", "granted", "counted",
]  # fmt: skip
IN_USE = ["in-use"]
WHEN_IT_ENDS = ["closed", "releasing", "destroy-asked", "destroyed", "accrued", "gone"]
ANSWER_LOST = ["unknown", "found"]
ANSWERS = ["answer-lost", "error-after", "garbage"]
FAILED = ["failed", "refused"]
LIMIT = ["limit", "farewell"]
ASKING = ["wish", "unwanted"]
"""These the process comes to that asks; all others its warden."""
WHO_COMES_BACK = ["nobody", "the guard", "whoever asked"]


# a warden ------------------------------------------------------------------------------------------------------------


async def on_the_way(world: Renting, key: str, point: str, *, wanted: bool) -> None:
    with one_machine_at_most(world):
        wish_id = await world.ask_until_there(point, key)
        assert len(world.billed()) <= 1
        if wanted:
            standing = await world.bridge.arrive(await world.bridge.rental(wish_id), world.report)
            assert standing.rental is not None
            assert [each["name"] for each in world.billed()] == [standing.rental.name]
        await _end(world, wish_id)


async def under_a_kernel(world: Renting, key: str, point: str) -> None:
    name = key.partition(":")[2]
    world.bridge.add_profile(Profile(name, RENTED, order=PRETEND))
    with one_machine_at_most(world):
        with dying_at(point):
            manager = AsyncKernelManager(kernel_name=f"gpu-bridge-{name}")
            await manager.start_kernel()
            wish = await _wish(world, f"profile:{name}")
            await until(lambda: world.starts(wish.wish_id) > 1)
        client = manager.client()
        client.start_channels()
        await client.wait_for_ready(timeout=30)
        reply = await client.execute_interactive("6 * 7", timeout=30, output_hook=lambda message: None)
        client.stop_channels()
        assert reply["content"]["status"] == "ok"
        await manager.shutdown_kernel(now=True)
        await _end(world, wish.wish_id)


async def when_it_ends(world: Renting, key: str, point: str) -> None:
    with one_machine_at_most(world):
        with dying_at(point):
            standing = await world.rent(key=key)
            await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
            await until(lambda: not world.wardens())
        await _look_until_over(world, standing.wish.wish_id)


async def as_the_answer_is_lost(world: Renting, key: str, point: str, *, fault: str) -> None:
    world.cloud.fault(fault, calls=1)
    with one_machine_at_most(world):
        await _end(world, await world.ask_until_there(point, key))


async def as_an_attempt_fails(world: Renting, key: str, point: str) -> None:
    if point == "refused":
        world.cloud.fault("no-capacity", calls=1)
    else:
        world.cloud.fault("never-boots")
    wish_id = await world.ask_until_there(point, key)
    world.cloud.mend()
    await _end(world, wish_id)


async def at_a_limit(world: Renting, key: str, point: str) -> None:
    with one_machine_at_most(world):
        with dying_at(point):
            order = Order(need=PRETEND.need, idle=timedelta(minutes=1))
            with contextlib.suppress(BridgeError):
                await world.rent(order, key)
            await until(lambda: not world.wardens())
        await _look_until_over(world, (await _wish(world, key)).wish_id)


# who asks ------------------------------------------------------------------------------------------------------------


async def as_it_is_wished_for(world: Renting, key: str, *, comes_back: bool) -> None:
    """The same wish goes on for those who ask again; for one that nobody asks for nothing is ever rented."""
    name = key.partition(":")[2]
    rent = ["rent", "--name", name, "--provider", "sandbox", "--yes"]
    with one_machine_at_most(world) as made:
        assert await _command(*rent, dying_at="wish") == -signal.SIGKILL
        wish = await _wish(world, f"name:{name}")
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


# all of them ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cut:
    point: str
    tell: Callable[[Renting, str], Awaitable[None]]
    """Given a key that nobody has used yet."""


def all_cuts() -> Iterator[Cut]:
    for point in BEFORE_THE_MACHINE:
        for wanted in (True, False):
            yield Cut(point, partial(on_the_way, point=point, wanted=wanted))
    for point in WHEN_IT_ENDS:
        yield Cut(point, partial(when_it_ends, point=point))
    for point in ANSWER_LOST:
        for fault in ANSWERS:
            yield Cut(point, partial(as_the_answer_is_lost, point=point, fault=fault))
    for point in FAILED:
        yield Cut(point, partial(as_an_attempt_fails, point=point))
    for point in LIMIT:
        yield Cut(point, partial(at_a_limit, point=point))
    for point in IN_USE:
        yield Cut(point, partial(under_a_kernel, point=point))
    for comes_back in (True, False):
        yield Cut("wish", partial(as_it_is_wished_for, comes_back=comes_back))
    for back in WHO_COMES_BACK:
        yield Cut("unwanted", partial(as_it_is_ended, back=back))


# what is looked at ---------------------------------------------------------------------------------------------------


@contextmanager
def one_machine_at_most(world: Renting) -> Iterator[Callable[[], int]]:
    """What is given counts those that were made since."""
    before, requests = world.created(), len(_requests(world))

    def made() -> int:
        return world.created() - before

    yield made
    assert made() <= 1, "two machines for one wish"
    names = _requests(world)[requests:]
    assert len(names) == len(set(names)), "one request was sent twice"


async def _end(world: Renting, wish_id: WishId) -> None:
    await world.bridge.end_rental(wish_id, "It was a test.")
    await _look_until_over(world, wish_id)


async def _look_until_over(world: Renting, wish_id: WishId) -> None:
    await world.bridge.guard()
    await world.until_over(wish_id)
    assert world.billed() == []


async def _wish(world: Renting, key: str) -> Wish:
    (found,) = [each.wish for each in await world.bridge.rentals(ended=True) if each.wish.key == key]
    return found


def _requests(world: Renting) -> list[str]:
    return [each["name"] for each in world.cloud.log() if each["verb"] == "create"]
