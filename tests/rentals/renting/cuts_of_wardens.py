"""What happens when a warden dies at a marked point."""

from __future__ import annotations

import contextlib
from datetime import timedelta

from jupyter_client.manager import AsyncKernelManager

from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.model import RENTED, Order, Profile
from tests.rentals.renting.cuts_seen import end, look_until_over, one_machine_at_most, wish_of
from tests.rentals.renting.world import PRETEND, Renting, dying_at, until


async def on_the_way(world: Renting, key: str, point: str, *, wanted: bool) -> None:
    with one_machine_at_most(world):
        wish_id = await world.ask_until_there(point, key)
        assert len(world.billed()) <= 1
        if wanted:
            standing = await world.bridge.arrive(await world.bridge.rental(wish_id), world.report)
            assert standing.rental is not None
            assert [each["name"] for each in world.billed()] == [standing.rental.name]
        await end(world, wish_id)


async def under_a_kernel(world: Renting, key: str, point: str) -> None:
    name = key.partition(":")[2]
    world.bridge.add_profile(Profile(name, RENTED, order=PRETEND))
    with one_machine_at_most(world):
        with dying_at(point):
            manager = AsyncKernelManager(kernel_name=f"gpu-bridge-{name}")
            await manager.start_kernel()
            wish = await wish_of(world, f"profile:{name}")
            await until(lambda: world.starts(wish.wish_id) > 1)
        client = manager.client()
        client.start_channels()
        await client.wait_for_ready(timeout=30)
        reply = await client.execute_interactive("6 * 7", timeout=30, output_hook=lambda message: None)
        client.stop_channels()
        assert reply["content"]["status"] == "ok"
        await manager.shutdown_kernel(now=True)
        await end(world, wish.wish_id)


async def when_it_ends(world: Renting, key: str, point: str) -> None:
    with one_machine_at_most(world):
        with dying_at(point):
            standing = await world.rent(key=key)
            await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
            await until(lambda: not world.wardens())
        await look_until_over(world, standing.wish.wish_id)


async def as_the_answer_is_lost(world: Renting, key: str, point: str, *, fault: str) -> None:
    world.cloud.fault(fault, calls=1)
    with one_machine_at_most(world):
        await end(world, await world.ask_until_there(point, key))


async def as_an_attempt_fails(world: Renting, key: str, point: str) -> None:
    if point == "refused":
        world.cloud.fault("no-capacity", calls=1)
    else:
        world.cloud.fault("never-boots")
    wish_id = await world.ask_until_there(point, key)
    world.cloud.mend()
    await end(world, wish_id)
    world.forgive_hosts()


async def at_a_limit(world: Renting, key: str, point: str) -> None:
    with one_machine_at_most(world):
        with dying_at(point):
            order = Order(need=PRETEND.need, idle=timedelta(minutes=1))
            with contextlib.suppress(BridgeError):
                await world.rent(order, key)
            await until(lambda: not world.wardens())
        await look_until_over(world, (await wish_of(world, key)).wish_id)


async def as_a_deadline_is_put_off(world: Renting, key: str, point: str) -> None:
    """The next warden tells the provider again."""
    with one_machine_at_most(world):
        with dying_at(point):
            standing = await world.rent(key=key)
            before = world.limit(standing)
            await world.bridge.extend_rental(standing.wish.wish_id, timedelta(minutes=30))
            await until(lambda: not world.wardens())
        await world.bridge.guard()
        await until(lambda: world.limit(standing) > before and world.wardens())
        assert len(world.billed()) == 1
        await end(world, standing.wish.wish_id)


async def as_an_orphan_is_given_up(world: Renting, key: str, point: str) -> None:
    with one_machine_at_most(world):
        await world.lose_the_ledger(key)
        with dying_at(point):
            (orphan,) = (await world.bridge.guard()).orphans
            await until(lambda: not world.wardens())
        await look_until_over(world, orphan.wish.wish_id)
