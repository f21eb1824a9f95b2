"""What becomes of machines whose ledger's disk is full; run by `test_full_disk` with a small disk of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from jupyter_gpu_bridge.errors import LedgerBroken
from jupyter_gpu_bridge.model import RentalState, WishId
from jupyter_gpu_bridge.rentals.ledger import Ledger
from jupyter_gpu_bridge.settings import LEDGER_VARIABLE
from tests.rentals.renting.world import PRETEND, Renting, renting, until
from tests.small_disk import ALL_WELL, fill

SOON = replace(PRETEND, deadline=timedelta(minutes=6))
LEASED = replace(PRETEND, lease=timedelta(hours=3), deadline=timedelta(hours=4))
"""What would not end itself in time to be taken for our doing."""
_MOST_NOTES = 2000


async def story(world: Renting, disk: Path) -> None:
    long, short = await asyncio.gather(world.rent(key="name:long"), world.rent(SOON, key="name:short"))
    wish_ids = [long.wish.wish_id, short.wish.wish_id]
    world.cloud.fault("slow-answer", value=180, calls=1)
    coming = asyncio.create_task(world.rent(LEASED, key="name:coming"))
    await until(lambda: world.created() == 3)
    _fill(disk / "stuffing", wish_ids[0])
    with pytest.raises(LedgerBroken, match="its disk is full"):
        await world.rent(key="name:another")
    assert world.created() == 3

    # The answer to a request cannot be written down: its machine is found by its name, and ended.
    with pytest.raises(LedgerBroken, match="its disk is full"):
        await coming
    (unwritten,) = [each for each in await world.bridge.rentals() if each.wish.key == "name:coming"]
    assert unwritten.rental is not None
    assert unwritten.rental.state is RentalState.REQUESTED
    await until(lambda: unwritten.rental.name not in [each["name"] for each in world.billed()])  # type: ignore[union-attr]

    # A limit ends one machine, and a user the other; neither can be written down.
    await until(lambda: len(world.billed()) == 1)
    (machine,) = world.billed()
    assert long.rental is not None
    assert machine["name"] == long.rental.name
    with pytest.raises(LedgerBroken, match=r"its disk is full.* is being ended all the same"):
        await world.bridge.end_rental(wish_ids[0], "It was a test.")
    await until(lambda: world.billed() == [])
    for wish_id in wish_ids:
        standing = await world.bridge.rental(wish_id)
        assert standing.rental is not None
        assert standing.rental.state.is_live, "nothing can have been written"
        said = (world.folder(standing.machine) / "link.log").read_text()
        assert "is ended although that cannot be written down" in said, said

    (disk / "stuffing").unlink()
    for wish_id, because in zip(wish_ids, ["It was a test.", "Its deadline has come."], strict=True):
        over = await world.until_over(wish_id)
        assert over.rental is not None
        assert (over.rental.state, over.wish.closed_because) == (RentalState.GONE, because)
        assert over.rental.accrued > long.rental.price.during(timedelta(seconds=1))
    over = await world.until_over(unwritten.wish.wish_id)
    assert over.rental is not None
    assert (over.rental.state, bool(over.rental.accrued)) == (RentalState.GONE, True)
    assert world.created() == 3
    assert not (await world.bridge.guard()).orphans


def _fill(path: Path, wish_id: WishId) -> None:
    """Up to the last page, and what the ledger has kept for itself as well."""
    fill(path)
    with Ledger.open() as ledger:
        wish = ledger.find_wish(wish_id)
        try:
            for number in range(_MOST_NOTES):
                ledger.note(wish_id, None, "note", f"So many notes: {number}", wish.asked)
        except LedgerBroken:
            return
    raise AssertionError("its disk does not fill up")


if __name__ == "__main__":
    small = Path(sys.argv[1])
    with renting() as entered:
        os.environ[LEDGER_VARIABLE] = f"sqlite:///{small / 'ledger.db'}"
        asyncio.run(story(entered, small))
    print(ALL_WELL)
