"""The limits over all rentals hold for what is rented already: when it is put off, and when its price rises."""

from __future__ import annotations

from datetime import datetime, time, timedelta, timezone

import pytest

from jupyter_gpu_bridge.errors import OverBudget
from jupyter_gpu_bridge.model import Money, Need, Order
from jupyter_gpu_bridge.rentals.clock import clock_of_environment
from jupyter_gpu_bridge.rentals.ledger import Limits
from tests.rentals.renting.world import PRETEND, Renting, until

dollars = Money.parse


async def test_a_deadline_is_not_put_off_beyond_the_limit_of_the_day(world: Renting) -> None:
    standing = await world.rent(Order(need=PRETEND.need, deadline=timedelta(hours=1)))
    before = standing.rental
    assert before is not None
    world.bridge.set_limits(Limits(per_day=before.worst_case))
    with pytest.raises(OverBudget, match=r"per day: .*would be reserved") as raised:
        await world.bridge.extend_rental(before.wish_id, timedelta(hours=1))
    assert "jupyter gpu limits --per-day" in raised.value.advice
    unchanged = (await world.bridge.rental(before.wish_id)).rental
    assert unchanged is not None
    assert (unchanged.deadline, unchanged.worst_case) == (before.deadline, before.worst_case)


@pytest.mark.parametrize("option", ["--per-day", "--per-month"])
async def test_a_price_that_rises_ends_it_at_the_limit_of_all(world: Renting, option: str) -> None:
    """All of it would be allowed at the price that was quoted."""
    deadline = timedelta(minutes=15)
    await until(lambda: _left_of_the_day() > 2 * deadline)  # the next day begins with nothing
    (offer, *_) = await world.bridge.search(PRETEND.need)
    limit = offer.price.during(deadline * 1.5)
    world.bridge.set_limits(Limits(per_day=limit) if option == "--per-day" else Limits(per_month=limit))
    standing = await world.rent(Order(need=PRETEND.need, deadline=deadline, budget=limit * 2))
    world.cloud.raise_price(world.billed()[0]["machine_id"])
    over = await world.until_over(standing.wish.wish_id)
    assert over.rental is not None
    assert option in over.wish.closed_because, over.wish.closed_because
    assert over.rental.accrued <= limit + over.rental.price.during(timedelta(seconds=60))
    warned = [each.text for each in await world.bridge.rental_events(over.wish.wish_id) if each.kind == "warning"]
    assert any(option in text for text in warned), warned
    assert world.billed() == []


@pytest.mark.parametrize("option", ["--max-price", "--per-hour-at-once"])
async def test_a_price_that_rises_over_what_was_allowed_ends_it(world: Renting, option: str) -> None:
    (offer, *_) = await world.bridge.search(PRETEND.need)
    allowed = offer.price.during(timedelta(hours=1.5))
    need = PRETEND.need
    if option == "--max-price":
        need = Need(providers=("sandbox",), max_price=allowed)
    else:
        world.bridge.set_limits(Limits(per_hour_at_once=allowed))
    standing = await world.rent(Order(need=need))
    world.cloud.raise_price(world.billed()[0]["machine_id"])
    over = await world.until_over(standing.wish.wish_id)
    assert option in over.wish.closed_because, over.wish.closed_because
    assert world.billed() == []


async def test_what_was_rented_within_the_limits_at_once_stays_when_these_are_lowered(world: Renting) -> None:
    standing = await world.rent()
    world.bridge.set_limits(Limits(per_hour_at_once=dollars("0.01"), per_day=dollars("100")))
    began = world.cloud.clock()
    await until(lambda: world.cloud.clock() > began + 120)
    assert (await world.bridge.rental(standing.wish.wish_id)).wish.is_open


def _left_of_the_day() -> timedelta:
    now = clock_of_environment().now()
    return datetime.combine(now.date() + timedelta(days=1), time(), timezone.utc) - now
