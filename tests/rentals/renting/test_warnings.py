"""What is said before a limit ends a machine, what is taken back when it is put off, and the time to save."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from jupyter_gpu_bridge.bridge import Standing
from jupyter_gpu_bridge.model import Money, Order
from tests.rentals.renting.world import PRETEND, Renting, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]


async def _warning(world: Renting, standing: Standing, words: str) -> None:
    async def is_told() -> bool:
        warning = (await world.bridge.rental(standing.wish.wish_id)).warning
        return warning is not None and words in warning.text

    await until_true(is_told)


async def until_true(condition: object) -> None:
    import asyncio
    from collections.abc import Awaitable, Callable
    from typing import cast

    asked = cast("Callable[[], Awaitable[bool]]", condition)

    async def wait() -> None:
        while not await asked():
            await asyncio.sleep(0.1)

    await asyncio.wait_for(wait(), 60)


async def test_a_deadline_is_told_before_it_comes_and_taken_back_when_it_is_put_off(world: Renting) -> None:
    standing = await world.rent(Order(need=PRETEND.need, deadline=timedelta(minutes=10), idle=None))
    await _warning(world, standing, "that is its deadline.")
    await world.bridge.extend_rental(standing.wish.wish_id, timedelta(minutes=20))

    async def is_settled() -> bool:
        return (await world.bridge.rental(standing.wish.wish_id)).warning is None

    await until_true(is_settled)
    await _warning(world, standing, "that is its deadline.")
    over = await world.until_over(standing.wish.wish_id)
    assert over.wish.closed_because == "Its deadline has come."


async def test_a_budget_is_told_before_it_is_used_up_and_there_is_time_to_save(world: Renting, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    standing = await world.rent(Order(need=PRETEND.need, budget=Money.parse("0.02"), idle=None))
    (machine,) = world.billed()
    lease = next(Path(machine["folder"]).glob("disk/home/.jupyter-gpu-bridge/lease"))
    hook = lease / "save-hook"
    hook.write_text(f"#!/bin/sh\necho saved >{saved}\n")
    hook.chmod(0o700)
    await _warning(world, standing, "of the $0.02 that it may cost are spent.")
    over = await world.until_over(standing.wish.wish_id)
    assert "Its budget of $0.02 is used up." in over.wish.closed_because
    await until(saved.exists)
    assert saved.read_text() == "saved\n"
