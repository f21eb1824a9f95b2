"""The failure table: what a cloud, a network or a computer can do, and that nothing stays billed that nobody wants."""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from jupyter_gpu_bridge.errors import LedgerBroken, RentFailed
from jupyter_gpu_bridge.files import replace_file
from jupyter_gpu_bridge.model import Money, Order, RentalState
from jupyter_gpu_bridge.rentals import orders as orders_module
from tests.rentals.renting.world import DEADLINE, PRETEND, Renting, time_passes, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]


async def _end(world: Renting, wish_id: Any) -> None:
    await world.bridge.end_rental(wish_id, "It was a test.")
    await world.until_over(wish_id)
    assert world.billed() == []


@pytest.mark.parametrize("fault", ["answer-lost", "error-after", "garbage"])
async def test_a_lost_answer_is_looked_for_and_its_machine_used(world: Renting, fault: str) -> None:
    world.cloud.fault(fault, calls=1)
    standing = await world.rent()
    (machine,) = world.billed()
    assert standing.rental is not None
    assert machine["name"] == standing.rental.name
    assert world.created() == 1
    await _end(world, standing.wish.wish_id)


async def test_an_error_without_a_machine_is_no_machine_and_the_next_offer_is_tried(world: Renting) -> None:
    world.cloud.fault("error-before", calls=1)
    standing = await world.rent()
    assert world.created() == 1
    attempts = [each for each in world.cloud.log() if each["verb"] == "create"]
    assert len(attempts) == len({each["name"] for each in attempts}) == 2
    await _end(world, standing.wish.wish_id)


async def test_a_listing_that_lags_makes_nobody_rent_twice(world: Renting) -> None:
    world.cloud.fault("listing-lag", value=90)
    world.cloud.fault("answer-lost", calls=1)
    standing = await world.rent()
    assert world.created() == 1
    await _end(world, standing.wish.wish_id)


@pytest.mark.parametrize(
    ("fault", "why"), [("never-boots", "it did not run after 5 min"), ("no-ssh", "no SSH after 2 min")]
)
async def test_a_machine_that_cannot_be_used_is_destroyed_and_said(world: Renting, fault: str, why: str) -> None:
    world.cloud.fault(fault)
    standing = await world.want()
    arriving = asyncio.ensure_future(world.bridge.arrive(standing, world.report))
    await until(lambda: world.created() == 2, within=120)
    assert len(world.billed()) == 1
    world.cloud.mend()
    world.cloud.fault("no-capacity")
    with pytest.raises(RentFailed, match=rf"{why}.*, destroyed at sandbox"):
        await arriving
    await world.until_over(standing.wish.wish_id)
    assert world.billed() == []


async def test_after_a_machine_that_never_ran_the_next_one_is_chosen_from_what_is_offered_then(world: Renting) -> None:
    """Prices have changed meanwhile: what the first search found cannot be had any more."""
    world.cloud.fault("never-boots", calls=1)
    standing = await world.rent()
    assert [each["verb"] for each in world.cloud.log()].count("offers") > 1
    assert world.created() == 2
    await _end(world, standing.wish.wish_id)


@pytest.mark.parametrize("notice", [0, 300])
async def test_a_machine_that_is_taken_back_is_told_and_costs_no_more(world: Renting, notice: int) -> None:
    standing = await world.rent()
    assert standing.rental is not None
    world.cloud.control("POST", f"machines/{standing.rental.ref}/reclaim", {"notice": notice})
    over = await world.until_over(standing.wish.wish_id)
    assert "took the machine back" in over.wish.closed_because
    events = await world.bridge.rental_events(standing.wish.wish_id)
    assert any("takes the machine back at" in event.text for event in events) == bool(notice)
    assert world.created() == 1
    rental = over.rental
    assert rental is not None
    assert rental.gone is not None
    assert rental.accrued_until == rental.gone, "it costs nothing after its end"
    told = next(event.at for event in events if event.text.startswith("The machine is being ended."))
    assert told - rental.gone >= timedelta(minutes=1), "counted to when it was missed first, not to when that was sure"
    if notice:
        minute = datetime.strptime(next(_announced(event.text) for event in events if _announced(event.text)), "%H:%M")
        assert (rental.gone.hour, rental.gone.minute) == (minute.hour, minute.minute), "by the provider's own clock"


async def test_a_cloud_that_is_down_when_a_machine_is_to_end_is_asked_until_it_is_back(world: Renting) -> None:
    standing = await world.rent()
    world.cloud.fault("api-down")
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    (complaint,) = await _complaints(world, standing.wish.wish_id, 1)
    assert "is not gone yet and costs" in complaint
    assert (await world.bridge.rental(standing.wish.wish_id)).rental.state is RentalState.RELEASING  # type: ignore[union-attr]
    world.kill_wardens()
    world.cloud.mend()
    await world.bridge.guard()
    await world.until_over(standing.wish.wish_id)
    assert world.billed() == []


async def test_a_key_that_was_replaced_is_waited_for_and_ends_the_machine(world: Renting) -> None:
    """Nobody else's key does."""
    standing = await world.rent()
    assert standing.rental is not None
    (account,) = {each["account"] for each in world.cloud.machines()}
    fresh = world.cloud.control("POST", f"accounts/{account}/key", {})["account_key"]
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")

    async def complained(words: str) -> None:
        while not any(words in each.text for each in await world.bridge.rental_events(standing.wish.wish_id)):
            await asyncio.sleep(0.1)

    await asyncio.wait_for(complained("Its key does not work any more: give a key of the same account."), 60)
    _give_key(world, world.cloud.another_key())
    await asyncio.wait_for(complained("is one of another account than the one that rented"), 60)
    assert len(world.billed()) == 1
    assert (await world.bridge.rental(standing.wish.wish_id)).rental.state is RentalState.RELEASING  # type: ignore[union-attr]
    _give_key(world, fresh)
    await world.until_over(standing.wish.wish_id)
    assert world.billed() == []


async def test_with_the_key_of_another_account_nothing_is_taken_for_gone(world: Renting) -> None:
    """All that this account's listing says of the machine is that it is not there."""
    standing = await world.rent()
    fresh = world.cloud.api["account_key"]
    _give_key(world, world.cloud.another_key())
    (told,) = await _complaints(world, standing.wish.wish_id, 1)
    assert "is one of another account than the one that rented" in told
    assert (await world.bridge.rental(standing.wish.wish_id)).wish.is_open
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    await time_passes(minutes=5)
    assert not (await world.bridge.rental(standing.wish.wish_id)).is_over
    assert len(world.billed()) == 1
    _give_key(world, fresh)
    await world.until_over(standing.wish.wish_id)
    assert world.billed() == []


async def test_a_key_that_is_refused_at_the_end_is_not_the_end_of_it(world: Renting) -> None:
    standing = await world.rent()
    world.cloud.fault("key-revoked")
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    complaints = await _complaints(world, standing.wish.wish_id, 2)
    assert all("Its key does not work any more" in each for each in complaints)
    rental = (await world.bridge.rental(standing.wish.wish_id)).rental
    assert rental is not None
    assert rental.state is RentalState.RELEASING
    world.cloud.mend()
    await world.until_over(standing.wish.wish_id)
    assert world.billed() == []


async def test_a_machine_that_comes_back_is_ended_again(world: Renting) -> None:
    standing = await world.rent()
    assert standing.rental is not None
    await _end(world, standing.wish.wish_id)
    world.cloud.control("POST", f"machines/{standing.rental.ref}/resurrect")
    assert len(world.billed()) == 1
    round_ = await world.bridge.guard()
    assert "was gone and is there again" in round_.orphans[0].text
    await world.until_over(standing.wish.wish_id)
    assert world.billed() == []


async def test_a_machine_that_comes_back_is_ended_also_where_its_wish_has_another_one(world: Renting) -> None:
    world.cloud.fault("never-boots", calls=1)
    standing = await world.rent()
    assert standing.rental is not None
    first = next(each for each in world.cloud.machines() if each["name"] != standing.rental.name)
    world.cloud.control("POST", f"machines/{first['machine_id']}/resurrect")
    await world.bridge.guard()
    told = [each.text for each in await world.bridge.rental_events(standing.wish.wish_id)]
    assert any(f"{first['name']} was gone and is there again" in text for text in told), told
    await until(lambda: len(world.billed()) == 1)
    assert world.billed()[0]["name"] == standing.rental.name
    await _end(world, standing.wish.wish_id)
    world.cloud.control("POST", f"machines/{first['machine_id']}/resurrect")
    await world.bridge.guard()
    await world.until_over(standing.wish.wish_id)
    assert world.billed() == []


async def test_a_machine_that_is_listed_too_late_is_ended_and_not_forgotten(world: Renting) -> None:
    """Later than its cloud promises: another one was rented meanwhile."""
    world.cloud.fault("listing-lag", value=600, calls=1)
    world.cloud.fault("answer-lost", calls=1)
    standing = await world.rent()
    assert standing.rental is not None
    assert world.created() == 2
    await until(lambda: [each["name"] for each in world.billed()] == [standing.rental.name])  # type: ignore[union-attr]
    await _end(world, standing.wish.wish_id)


async def test_what_is_counted_after_a_sleep_of_days_is_no_more_than_was_allowed(world: Renting) -> None:
    """It ended itself in the first minutes; nobody was awake to see it."""
    order = Order(need=PRETEND.need, budget=Money.parse("0.05"), lease=timedelta(minutes=1), idle=None)
    standing = await world.rent(order)
    assert standing.rental is not None
    world.kill_wardens()
    world.cloud.control("POST", f"machines/{standing.rental.ref}/reclaim", {"notice": 0})
    await time_passes(minutes=60)
    await world.bridge.guard()
    over = await world.until_over(standing.wish.wish_id)
    assert over.rental is not None
    assert over.rental.accrued <= Money.parse("0.05")
    assert over.wish.closed_because.startswith("It ended itself while nothing of ours was there")
    assert f"It has cost {over.rental.accrued} at the most." in over.wish.closed_because


async def test_a_price_that_is_higher_than_quoted_is_counted(world: Renting) -> None:
    world.cloud.fault("double-billing", value=2)
    standing = await world.rent(Order(need=PRETEND.need, budget=Money.parse("0.02")))
    over = await world.until_over(standing.wish.wish_id)
    assert over.rental is not None
    assert over.rental.accrued <= Money.parse("0.02") + over.rental.price.during(timedelta(seconds=60))
    assert world.billed() == []


async def test_what_was_shown_is_the_most_that_it_costs_also_when_its_price_rises(world: Renting) -> None:
    """There is no budget; its deadline would come when nearly twice as much is billed."""
    standing = await world.rent(Order(need=PRETEND.need, deadline=timedelta(minutes=20)))
    assert standing.rental is not None
    world.cloud.raise_price(standing.rental.ref)
    most = standing.rental.worst_case
    over = await world.until_over(standing.wish.wish_id)
    assert over.rental is not None
    assert "has raised its price" in over.wish.closed_because, over.wish.closed_because
    assert over.rental.price == over.rental.offer.price * 2
    assert over.rental.worst_case == most
    assert over.rental.accrued <= most + over.rental.price.during(timedelta(seconds=60))
    assert world.billed() == []


async def test_a_price_that_rises_while_the_machine_boots_is_seen_then(world: Renting) -> None:
    (offer, *_) = await world.bridge.search(PRETEND.need)
    world.cloud.fault("double-billing", value=2, calls=1)
    world.cloud.fault("never-boots", calls=1)
    need = replace(PRETEND.need, max_price=offer.price.during(timedelta(hours=1.5)))
    with pytest.raises(RentFailed, match=r"bills \$\S+ per hour now: more than .* allowed .*, destroyed at sandbox"):
        await world.rent(Order(need=need))
    assert world.created() == 1
    assert world.billed() == []


async def test_a_lost_ledger_is_no_lost_machine(world: Renting) -> None:
    await world.rent()
    await _lose_ledger(world)
    round_ = await world.bridge.guard()
    assert len(round_.orphans) == 1
    assert "the ledger knows nothing of it" in round_.orphans[0].text
    await time_passes(minutes=6)
    await world.bridge.guard()
    await world.bridge.guard()
    (standing,) = [each for each in await world.bridge.rentals(ended=True)]
    await world.until_over(standing.wish.wish_id)
    assert world.billed() == []


async def test_a_machine_of_a_lost_ledger_can_be_kept_and_used(world: Renting) -> None:
    standing = await world.rent()
    assert standing.rental is not None
    await _lose_ledger(world)
    await world.bridge.guard()
    kept = await world.bridge.keep_orphan(standing.rental.name)
    kept = await world.bridge.arrive(kept, world.report)
    assert kept.rental is not None
    assert kept.rental.state is RentalState.REACHABLE
    assert world.created() == 1
    await _end(world, kept.wish.wish_id)


async def test_machines_of_others_are_not_touched(world: Renting) -> None:
    """Neither those of another installation of ours in the same account, nor those of somebody else's program."""
    provider = world.cloud.provider()
    try:
        offer = (await provider.offers(PRETEND.need))[0]
        for name in ("gpu-bridge-abcdefgh-0123456789ab", "somebody-elses"):
            await provider.create(world.cloud.plan(offer, name))
        standing = await world.rent()
        await world.bridge.guard()
        await time_passes(minutes=12)
        await world.bridge.guard()
        await _end_only(world, standing.wish.wish_id)
        assert sorted(each["name"] for each in world.billed()) == ["gpu-bridge-abcdefgh-0123456789ab", "somebody-elses"]
    finally:
        await provider.close()


async def test_a_ledger_that_cannot_be_written_rents_nothing(world: Renting, monkeypatch: pytest.MonkeyPatch) -> None:
    (world.home.folder / "file").touch()
    monkeypatch.setenv("JUPYTER_GPU_BRIDGE_LEDGER", f"sqlite:///{world.home.folder}/file/ledger.db")
    with pytest.raises(LedgerBroken):
        await world.rent()
    assert world.created() == 0


async def test_a_ledger_that_cannot_be_read_for_a_while_ends_no_machine_and_keeps_none(world: Renting) -> None:
    standing = await world.rent()
    ledger, log = world.home.bridge / "ledger.db", world.folder(standing.machine) / "link.log"
    ledger.rename(ledger.with_name("elsewhere"))
    await until(lambda: "the ledger cannot be used" in log.read_text())
    ledger.with_name("elsewhere").rename(ledger)
    assert (await world.bridge.rental(standing.wish.wish_id)).wish.is_open
    assert len(world.billed()) == 1
    await _end(world, standing.wish.wish_id)


async def test_with_everything_of_ours_dead_the_machine_ends_itself(world: Renting) -> None:
    order = Order(need=PRETEND.need, lease=timedelta(minutes=1))
    standing = await world.rent(order)
    world.kill_wardens()
    # The lease counts real time on the machine, whatever the cloud's clock pretends.
    await until(lambda: not world.billed(), within=150)
    over = await _told(world, standing.wish.wish_id)
    assert over.wish.closed_because.startswith("It ended itself while nothing of ours was there to renew its lease.")
    assert world.created() == 1


def _announced(text: str) -> str:
    found = re.search(r"takes the machine back at (\d\d:\d\d) UTC", text)
    return found[1] if found else ""


def _give_key(world: Renting, key: str) -> None:
    """As a user who puts another key in the place of the old one."""
    path = world.cloud.cloud / "api.json"
    replace_file(path, json.dumps({**json.loads(path.read_bytes()), "account_key": key}).encode())


async def _told(world: Renting, wish_id: Any) -> Any:
    """Somebody comes back, and is told."""
    await world.bridge.guard()
    return await world.until_over(wish_id)


async def _complaints(world: Renting, wish_id: Any, number: int) -> list[str]:
    """As soon as there are so many; not every failure is one."""
    give_up = time.monotonic() + DEADLINE
    while True:
        events = await world.bridge.rental_events(wish_id)
        found = [event.text for event in events if event.kind == "warning"]
        if len(found) >= number:
            return found
        assert time.monotonic() < give_up, found
        await asyncio.sleep(0.1)


async def _end_only(world: Renting, wish_id: Any) -> None:
    await world.bridge.end_rental(wish_id, "It was a test.")
    await world.until_over(wish_id)


async def _lose_ledger(world: Renting) -> None:
    world.kill_wardens()
    orders_module.forget()
    for name in os.listdir(world.home.bridge):
        if name.startswith("ledger.db"):
            (world.home.bridge / name).unlink()
