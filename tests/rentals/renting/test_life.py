"""From a wish to a machine, and from there to nothing."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from jupyter_gpu_bridge.errors import (
    BadRequest,
    LinkLost,
    NothingFits,
    OverBudget,
    RentalEnded,
    RentalUnknown,
    RentFailed,
)
from jupyter_gpu_bridge.model import Money, Need, Order, RentalState
from jupyter_gpu_bridge.rentals.ledger import Limits
from tests.rentals.renting.world import PRETEND, Renting, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]


async def test_a_wish_becomes_a_machine_and_ends_as_nothing(world: Renting) -> None:
    standing = await world.rent()
    assert standing.rental is not None
    assert standing.rental.state in (RentalState.REACHABLE, RentalState.IN_USE)
    (machine,) = world.billed()
    assert machine["name"] == standing.rental.name
    assert [*dict.fromkeys(world.stages)] == ["searching", "renting", "booting", "connecting", "preparing", "ready"]
    assert await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    ended = await world.until_over(standing.wish.wish_id)
    assert world.billed() == []
    assert ended.rental is not None
    assert (ended.rental.state, ended.rental.reason) == (RentalState.GONE, "It was a test.")
    assert Money() < ended.rental.accrued <= ended.rental.worst_case
    await until(lambda: not world.wardens())
    assert not list((world.home.bridge / "keys").glob("*"))


async def test_one_machine_for_one_wish_however_many_ask(world: Renting) -> None:
    standings = await asyncio.gather(*(world.rent() for _ in range(5)))
    assert len({each.wish.wish_id for each in standings}) == 1
    assert world.created() == 1


async def test_an_order_that_nothing_meets_says_what_is_in_the_way(world: Renting) -> None:
    order = Order(need=Need(providers=("sandbox",), gpus=("H900",), max_price=Money.parse("0.01")))
    with pytest.raises(NothingFits, match=r"None of \d+ offers fits: .*GPU H900 excludes \d+") as refused:
        await world.rent(order)
    assert "at most $0.01 per hour excludes" in str(refused.value)
    assert world.created() == 0


@pytest.mark.parametrize(
    "order",
    [
        Order(need=PRETEND.need, budget=Money.parse("-1")),
        Order(need=PRETEND.need, deadline=timedelta(seconds=1)),
        Order(need=PRETEND.need, deadline=timedelta(days=400)),
        Order(need=PRETEND.need, idle=timedelta(0)),
        Order(need=Need(providers=("sandbox",), gpu_count=-1)),
    ],
)
async def test_limits_that_make_no_sense_are_refused(world: Renting, order: Order) -> None:
    with pytest.raises(BadRequest):
        await world.rent(order)


async def test_an_unknown_provider_is_named(world: Renting) -> None:
    with pytest.raises(BadRequest, match=r"There is no provider 'sandbx'.*sandbox"):
        await world.rent(Order(need=Need(providers=("sandbx",))))


async def test_a_budget_of_the_day_refuses_what_could_break_it(world: Renting) -> None:
    world.bridge.set_limits(Limits(per_day=Money.parse("0.50")))
    with pytest.raises(OverBudget, match=r"your limit of \$0.50 per day.*jupyter gpu limits --per-day"):
        await world.rent()
    assert world.created() == 0
    standing = await world.rent(Order(need=PRETEND.need, budget=Money.parse("0.20")))
    assert standing.rental is not None
    assert standing.rental.worst_case == Money.parse("0.20")


async def test_the_next_offer_is_tried_when_one_is_gone(world: Renting) -> None:
    world.cloud.fault("no-capacity", calls=2)
    standing = await world.rent()
    assert standing.rental is not None
    attempts = [each for each in world.cloud.log() if each["verb"] == "create"]
    assert len(attempts) == 3
    assert len(world.billed()) == 1


async def test_when_nobody_has_capacity_one_sentence_says_what_was_tried(world: Renting) -> None:
    world.cloud.fault("no-capacity")
    with pytest.raises(RentFailed, match=r"Tried \d+ of \d+ offers: .*Nothing is billed"):
        await world.rent()
    assert world.created() == 0


@pytest.mark.parametrize("stage", ["searching", "renting", "booting", "connecting"])
async def test_a_start_that_is_cancelled_ends_the_machine(world: Renting, stage: str) -> None:
    if stage == "booting":
        world.cloud.fault("slow-boot", value=3600)
    standing = await world.want()
    arriving = asyncio.ensure_future(world.bridge.arrive(standing, world.report))
    await until(lambda: stage in world.stages)
    arriving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await arriving
    await world.until_over(standing.wish.wish_id)
    assert world.billed() == []


async def test_a_start_that_one_of_two_gives_up_goes_on_for_the_other(world: Renting) -> None:
    world.cloud.fault("slow-boot", value=120)
    standing = await world.want()
    one, other = (asyncio.ensure_future(world.bridge.arrive(standing, world.report)) for _ in range(2))
    await until(lambda: world.stages.count("booting") == 2)
    one.cancel()
    with pytest.raises(asyncio.CancelledError):
        await one
    arrived = await other
    assert arrived.wish.is_open
    assert arrived.rental is not None
    assert [each["name"] for each in world.billed()] == [arrived.rental.name]


async def test_who_asked_at_the_same_time_and_comes_as_the_other_gives_up_gets_the_machine(world: Renting) -> None:
    world.cloud.fault("slow-boot", value=120)
    standing, same = await world.want(), await world.want()
    early = asyncio.ensure_future(world.bridge.arrive(standing, world.report))
    await until(lambda: "booting" in world.stages)
    early.cancel()
    with pytest.raises(asyncio.CancelledError):
        await early
    arrived = await world.bridge.arrive(same, world.report)
    assert arrived.wish.wish_id == standing.wish.wish_id
    assert len(world.billed()) == world.created() == 1


async def test_a_deadline_is_put_off_here_and_on_the_machine(world: Renting) -> None:
    standing = await world.rent()
    wish_id, before = standing.wish.wish_id, standing.rental
    assert before is not None
    rental = await world.bridge.extend_rental(wish_id, timedelta(hours=1))
    assert rental.deadline == before.deadline + timedelta(hours=1)
    assert rental.worst_case > before.worst_case
    (machine,) = world.billed()
    log = Path(machine["folder"]) / "disk" / "home" / ".jupyter-gpu-bridge" / "lease" / "log"
    await until(lambda: "Its deadline was put off" in log.read_text())
    with pytest.raises(BadRequest, match=r"It can be put off to .* UTC at the latest"):
        await world.bridge.extend_rental(wish_id, timedelta(hours=12))
    await world.bridge.end_rental(wish_id, "It was a test.")
    await world.until_over(wish_id)
    with pytest.raises(RentalUnknown):
        await world.bridge.extend_rental(wish_id, timedelta(hours=1))


async def test_a_deadline_is_put_off_for_all_also_when_its_warden_was_dead(world: Renting) -> None:
    standing = await world.rent()
    before = world.limit(standing)
    world.kill_wardens()
    await world.bridge.extend_rental(standing.wish.wish_id, timedelta(hours=1))
    assert len(world.wardens()) == 1
    await until(lambda: world.limit(standing) == before + 3600)
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    await world.until_over(standing.wish.wish_id)


async def test_who_puts_off_a_deadline_is_told_when_nobody_can_tell_the_machine(world: Renting) -> None:
    standing = await world.rent()
    assert standing.rental is not None
    world.kill_wardens()
    log = world.folder(standing.machine) / "link.log"
    log.unlink()
    log.mkdir()
    with pytest.raises(LinkLost, match=r"nobody tells the machine .* They may end it at the deadline that they know"):
        await world.bridge.extend_rental(standing.wish.wish_id, timedelta(hours=1))
    (now,) = await world.bridge.rentals()
    assert now.rental is not None
    assert now.rental.deadline == standing.rental.deadline + timedelta(hours=1)
    log.rmdir()
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    await world.until_over(standing.wish.wish_id)


async def test_a_machine_that_is_gone_is_not_rented_again_by_a_restart(world: Renting) -> None:
    standing = await world.rent()
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    await world.until_over(standing.wish.wish_id)
    assert await world.bridge.may_return()
    with pytest.raises(RentalEnded, match="It was a test"):
        await world.bridge.arrive(standing, world.report)
    assert world.created() == 1
