"""The largest bill that was shown is the largest that comes, over all attempts and from the first moment on."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from jupyter_gpu_bridge.errors import RentFailed
from jupyter_gpu_bridge.model import Money, Need
from jupyter_gpu_bridge.rentals.ledger import Ledger
from tests.rentals.renting.world import PRETEND, Renting

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

_TICK = timedelta(minutes=1)
"""Of the quick clock, a second."""


def _bill(world: Renting) -> Money:
    """What the cloud takes for all machines."""
    return sum((Money.parse(str(each["billed"])) for each in world.cloud.machines()), Money())


async def test_nothing_much_dearer_is_rented_instead(world: Renting) -> None:
    quote = await world.bridge.quote(PRETEND)
    assert quote.others > 0
    assert quote.worst_case == quote.dearest.during(PRETEND.deadline)
    world.cloud.fault("no-capacity")
    with pytest.raises(RentFailed, match=r"Tried \d+ of"):
        await world.rent(replace(PRETEND, agreed=quote.worst_case))
    with Ledger.open() as ledger:
        tried = [each.worst_case for each in ledger.rentals(live_only=False)]
    assert Money() < max(tried) <= quote.worst_case


async def test_a_price_limit_says_how_dear_it_may_be(world: Renting) -> None:
    order = replace(PRETEND, need=replace(PRETEND.need, max_price=Money.parse("1.30")))
    quote = await world.bridge.quote(order)
    assert Money.parse("1.00") < quote.dearest <= Money.parse("1.30")


async def test_the_budget_is_one_for_all_attempts(world: Renting) -> None:
    world.cloud.fault("never-boots")
    budget = Money.parse("0.02")
    with pytest.raises(RentFailed, match="budget"):
        await world.rent(replace(PRETEND, budget=budget))
    assert world.billed() == []
    assert world.created() >= 1
    assert _bill(world) <= budget + Money.parse("0.50").during(_TICK)


async def test_no_host_is_avoided_because_a_limit_came_first(world: Renting) -> None:
    quote = await world.bridge.quote(PRETEND)
    assert quote.best.host
    world.cloud.fault("slow-boot", value=240)
    with pytest.raises(RentFailed, match="were used up before it could be used"):
        await world.rent(replace(PRETEND, budget=Money.parse("0.006")))
    with Ledger.open() as ledger:
        assert ledger.rentals(live_only=False)[0].offer.host == quote.best.host
        assert ledger.avoided("sandbox", datetime.now(timezone.utc)) == set()


async def test_what_is_quoted_is_what_is_rented_also_when_a_host_has_failed(world: Renting) -> None:
    first = await world.bridge.quote(PRETEND)
    world.cloud.fault("never-boots", calls=1)
    failed = await world.rent()
    await world.bridge.end_rental(failed.wish.wish_id, "It was a test.")
    await world.until_over(failed.wish.wish_id)
    quote = await world.bridge.quote(PRETEND)
    assert quote.best.host != first.best.host
    standing = await world.rent()
    assert standing.rental is not None
    assert standing.rental.offer.host == quote.best.host
    await world.end_everything()


async def test_a_deadline_counts_while_a_machine_boots(world: Renting) -> None:
    world.cloud.fault("never-boots")
    order = replace(PRETEND, need=Need(providers=("sandbox",), gpus=("Pretend A100 80 GB",)), deadline=2 * _TICK)
    with pytest.raises(RentFailed, match="its deadline"):
        await world.rent(order)
    assert world.billed() == []
    assert _bill(world) <= Money.parse("1.30").during(3 * _TICK)


async def test_what_is_billed_dearer_than_was_shown_is_ended_and_another_is_tried(world: Renting) -> None:
    """Between the last look and the order its price has risen: nobody was asked about that one."""
    quote = await world.bridge.quote(PRETEND)
    world.cloud.fault("double-billing", value=10, calls=1)
    order = replace(PRETEND, agreed=quote.worst_case, agreed_price=quote.dearest)
    standing = await world.rent(order)
    assert standing.rental is not None
    assert standing.rental.price <= quote.dearest
    with Ledger.open() as ledger:
        first, *others = sorted(ledger.rentals(live_only=False), key=lambda each: each.written)
    assert others
    assert f"its provider bills {first.offer.price * 10} per hour, and {quote.dearest} was agreed" in first.reason
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    await world.until_over(standing.wish.wish_id)


async def test_with_a_budget_nothing_dearer_is_rented_than_was_shown(world: Renting) -> None:
    order = replace(PRETEND, budget=Money.parse("1"), agreed=Money.parse("1"), agreed_price=Money.parse("0.01"))
    with pytest.raises(RentFailed, match=r"since you agreed to \$0\.01 per hour") as refused:
        await world.rent(order)
    assert "not tried, since it costs" in str(refused.value)
    assert world.created() == 0
