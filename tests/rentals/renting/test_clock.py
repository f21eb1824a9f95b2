"""Somebody sets this computer's clock while a machine is rented, and its warden or the whole computer starts again."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from jupyter_gpu_bridge.model import Money
from jupyter_gpu_bridge.rentals import orders
from tests.rentals.renting.world import PRETEND, RATE, Renting, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]


def _set_clock(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """For whatever process is started from now on; the quick clock shows other days when it began at another time."""
    began = int(time.time()) - round(days * 86400 / (RATE - 1))
    monkeypatch.setenv("JUPYTER_GPU_BRIDGE_CLOCK", f"{RATE}@{began}")


@pytest.mark.parametrize("days", [-2, 2])
async def test_a_clock_that_was_set_neither_ends_nor_prolongs_nor_bills_anything(
    world: Renting, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    standing = await world.rent()
    before = standing.rental
    assert before is not None
    _set_clock(monkeypatch, days)
    world.kill_wardens()
    await world.bridge.guard()
    log = world.folder(standing.machine) / "link.log"
    await until(lambda: log.read_text().count("the link starts") == 2)

    async def counted() -> bool:
        rental = (await world.bridge.rental(standing.wish.wish_id)).rental
        return rental is not None and rental.accrued > before.accrued + before.price.during(timedelta(minutes=1))

    give_up = time.monotonic() + 60
    while not await counted():
        assert time.monotonic() < give_up, "its cost is not counted any more"
        await asyncio.sleep(0.1)
    now = await world.bridge.rental(standing.wish.wish_id)
    assert now.wish.is_open, now.wish.closed_because
    assert now.rental is not None
    assert now.rental.accrued < before.price.during(timedelta(hours=2)), "days were billed that have not been"
    assert len(world.billed()) == 1
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    await world.until_over(standing.wish.wish_id)
    assert world.billed() == []
    assert world.created() == 1


async def test_a_deadline_comes_when_it_was_to_come_whatever_the_clock_shows(
    world: Renting, monkeypatch: pytest.MonkeyPatch
) -> None:
    standing = await world.rent(replace(PRETEND, deadline=timedelta(minutes=6)))
    _set_clock(monkeypatch, -2)
    world.kill_wardens()
    await world.bridge.guard()
    over = await world.until_over(standing.wish.wish_id)
    assert over.wish.closed_because == "Its deadline has come."
    assert world.billed() == []


def _start_computer(world: Renting, monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """Anew: nobody knows any more what was counted before."""
    world.kill_wardens()
    file = world.home.bridge / "clock.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"start": "another one"}))
    _set_clock(monkeypatch, days)
    orders.forget()


@pytest.mark.parametrize("days", [-2, 2])
async def test_a_clock_that_is_wrong_after_a_start_of_the_computer_is_not_gone_by(
    world: Renting, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """Its cloud says what time it is."""
    budget = Money.parse("0.10")
    standing = await world.rent(replace(PRETEND, budget=budget, lease=timedelta(hours=6)))
    assert standing.rental is not None
    wish_id = standing.wish.wish_id
    _start_computer(world, monkeypatch, days)
    await world.bridge.guard()

    async def accrued() -> Money:
        now = await world.bridge.rental(wish_id)
        assert now.rental is not None
        return now.rental.accrued

    give_up, soon = time.monotonic() + 60, await accrued() + standing.rental.price.during(timedelta(minutes=5))
    while await accrued() < min(soon, Money.parse("0.09")):
        assert (await world.bridge.rental(wish_id)).wish.is_open, "it was ended for a clock"
        assert time.monotonic() < give_up, "its cost is not counted any more"
        await asyncio.sleep(0.1)
    over = await world.until_over(wish_id)
    assert "budget" in over.wish.closed_because
    assert over.rental is not None
    assert over.rental.accrued <= budget + over.rental.price.during(timedelta(minutes=1))
    assert world.billed() == []
