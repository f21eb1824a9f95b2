"""Machines of ours that the ledger does not know: they end without anybody's help, unless they are kept."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.model import RentalState
from jupyter_gpu_bridge.rentals import orders
from jupyter_gpu_bridge.rentals.reconcile import GRACE
from tests.rentals.renting.command import ran
from tests.rentals.renting.world import RATE, Renting, renting

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]


async def _orphan(world: Renting) -> str:
    """The name of a machine whose ledger was lost, and that was found once."""
    standing = await world.lose_the_ledger()
    (orphan,) = (await world.bridge.guard()).orphans
    assert standing.rental is not None
    assert orphan.seen.name == standing.rental.name
    return orphan.seen.name


@pytest.fixture
def slower_world() -> Iterator[Renting]:
    """In which five minutes are longer than a start waits for whoever has asked for it."""
    with renting(rate=8) as world:
        yield world


async def test_one_that_nobody_keeps_is_ended_although_nobody_looks_again(slower_world: Renting) -> None:
    world = slower_world
    await _orphan(world)
    (standing,) = await world.bridge.rentals()
    assert standing.wish.is_open
    over = await world.until_over(standing.wish.wish_id)
    assert over.wish.closed_because == "Nobody knew of it, and nobody wanted to keep it."
    assert over.wish.closed is not None
    assert over.wish.closed - over.wish.asked >= GRACE
    assert world.billed() == []


async def test_one_that_is_kept_is_looked_after_and_warned_of_no_more(world: Renting) -> None:
    name = await _orphan(world)
    (found,) = await world.bridge.rentals()
    assert found.warning is not None
    assert f"--keep {name}" in found.warning.text
    world.kill_wardens()
    kept = await world.bridge.keep_orphan(name)
    assert (kept.wish.key, kept.warning, len(world.wardens())) == (f"kept:{name}", None, 1)
    await _reachable(world, kept.wish.wish_id)
    await asyncio.sleep(6 * 60 / RATE)  # past the time after which it would have been ended
    assert (await world.bridge.rental(kept.wish.wish_id)).wish.is_open
    assert [each["name"] for each in world.billed()] == [name]
    await world.bridge.end_rental(kept.wish.wish_id, "It was a test.")
    with pytest.raises(BadRequest, match="is being ended already"):
        await world.bridge.keep_orphan(name)
    await world.until_over(kept.wish.wish_id)
    assert world.billed() == []


async def test_a_lost_ledger_is_not_taken_for_nothing_rented_and_what_is_lost_is_ended_with_all(world: Renting) -> None:
    lost = await world.lose_the_ledger()
    for words in (("ls",), ("costs",), ("ls",)):
        asked = await ran(*words)
        assert (asked.status, asked.out) == (1, ""), asked
        assert "This ledger knows nothing of machines that were rented here before" in asked.err, asked
        assert "jupyter gpu orphans" in asked.err, asked
    by_id = await ran("stop", lost.wish.wish_id, "--yes")
    assert by_id.status == 1, by_id
    assert "which may be billed. Look for them: jupyter gpu orphans" in by_id.err, by_id
    unasked = await ran("stop", "--all")
    assert unasked.status == 1, unasked
    assert "What was found costs money until it is ended" in unasked.err, unasked
    assert len(world.billed()) == 1
    stopped = await ran("stop", "--all", "--yes")
    assert stopped.status == 0, stopped
    assert "Ended" in stopped.out, stopped
    assert world.billed() == []
    listed = await ran("ls")
    assert (listed.status, listed.out) == (0, "Nothing is rented.\n"), listed


async def test_all_that_is_lost_is_found_and_ended_by_one_command(world: Renting) -> None:
    await world.lose_the_ledger()
    stopped = await ran("stop", "--all", "--yes")
    assert stopped.status == 0, stopped
    assert (
        "runs at sandbox, and the ledger knows nothing of it: it is ended in a few minutes, and at once" in stopped.err
    )
    assert world.billed() == []


async def test_what_somebody_has_rented_is_no_orphan_to_keep(world: Renting) -> None:
    standing = await world.rent()
    assert standing.rental is not None
    with pytest.raises(BadRequest, match=r"is no orphan: name:test has it"):
        await world.bridge.keep_orphan(standing.rental.name)
    assert (await world.want()).wish.wish_id == standing.wish.wish_id
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    await world.until_over(standing.wish.wish_id)


async def test_a_cloud_that_cannot_be_asked_is_not_called_in_order(world: Renting) -> None:
    standing = await world.rent()
    world.cloud.fault("api-down")
    asked = await ran("orphans")
    assert (asked.status, asked.out) == (1, "")
    assert "sandbox could not be asked for its machines" in asked.err
    as_json = await ran("orphans", "--json")
    assert as_json.status == 1
    (trouble,) = json.loads(as_json.out)["troubles"]
    assert "sandbox could not be asked for its machines" in trouble
    world.cloud.mend()
    asked = await ran("orphans")
    assert (asked.status, asked.out) == (0, "Every machine of ours is known.\n")
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    await world.until_over(standing.wish.wish_id)


async def test_what_is_rented_and_not_listed_is_told_and_judged_by_its_warden(world: Renting) -> None:
    standing = await world.rent()
    assert standing.rental is not None
    assert standing.rental.created is not None
    world.kill_wardens()
    await asyncio.sleep(6 * 60 / RATE)  # past the time in which it might only not be listed yet
    world.cloud.control("POST", f"machines/{standing.rental.ref}/reclaim", {"notice": 0})
    (trouble,) = (await world.bridge.guard()).troubles
    assert trouble.startswith(f"{standing.rental.name} is rented, and sandbox does not list it")
    over = await world.until_over(standing.wish.wish_id)
    assert over.wish.closed_because == "The provider took the machine back."
    assert not (await world.bridge.guard()).troubles


async def _reachable(world: Renting, wish_id: str) -> None:
    async def is_reachable() -> bool:
        rental = (await world.bridge.rental(wish_id)).rental
        return rental is not None and rental.state is RentalState.REACHABLE

    while not await is_reachable():
        await asyncio.sleep(0.1)


async def test_what_a_copied_folder_knows_of_is_left_to_whoever_uses_it(
    world: Renting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await world.rent(key="name:before")
    there = tmp_path / "bridge"
    shutil.copytree(world.home.bridge, there, ignore=shutil.ignore_patterns("sandbox", "run", "links"))
    (there / "sandbox").symlink_to(world.home.bridge / "sandbox")
    after = await world.rent(key="name:after")
    assert before.rental is not None
    assert after.rental is not None
    names = {before.rental.name, after.rental.name}
    monkeypatch.setenv("JUPYTER_GPU_BRIDGE_HOME", str(there))
    orders.forget()
    round_ = await world.bridge.guard()
    assert (round_.orphans, round_.watched) == ([], [])
    for name in names:
        assert any(f"orphans --end {name}" in trouble for trouble in round_.troubles), round_.troubles
    assert {each["name"] for each in world.billed()} == names
    for name in names:
        ended = await world.bridge.end_orphan(name)
        await world.until_over(ended.wish.wish_id)
    assert world.billed() == []
    monkeypatch.setenv("JUPYTER_GPU_BRIDGE_HOME", str(world.home.bridge))
    orders.forget()
