"""What is looked at in the stories of processes that die: how many machines there were, and what is billed then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from jupyter_gpu_bridge.model import Wish, WishId
from tests.rentals.renting.world import Renting


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


async def end(world: Renting, wish_id: WishId) -> None:
    await world.bridge.end_rental(wish_id, "It was a test.")
    await look_until_over(world, wish_id)


async def look_until_over(world: Renting, wish_id: WishId) -> None:
    await world.bridge.guard()
    await world.until_over(wish_id)
    assert world.billed() == []


async def wish_of(world: Renting, key: str) -> Wish:
    (found,) = [each.wish for each in await world.bridge.rentals(ended=True) if each.wish.key == key]
    return found


def _requests(world: Renting) -> list[str]:
    return [each["name"] for each in world.cloud.log() if each["verb"] == "create"]
