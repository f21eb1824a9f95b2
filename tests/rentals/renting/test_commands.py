"""`jupyter gpu` about what is really rented."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from jupyter_gpu_bridge.model import Money
from tests.rentals.renting.command import Command, ran
from tests.rentals.renting.world import PRETEND, Renting, renting, time_passes

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]


@pytest.fixture
def unhurried() -> Iterator[Renting]:
    """What does not boot is given up after half a minute here, not after five seconds."""
    with renting(rate=10) as world:
        yield world


async def test_an_interrupted_rent_says_that_its_machine_is_ended_and_what_it_cost(unhurried: Renting) -> None:
    world = unhurried
    world.cloud.fault("slow-boot", value=3600)
    renting = await Command.start("rent", "--provider", "sandbox", "--name", "x")
    await renting.until_noted("booting")
    assert len(world.billed()) == 1
    renting.interrupt()
    ended = await renting.ended()
    assert ended.status == 130, ended
    assert "stays done" not in ended.err, ended
    assert re.search(r"Interrupted: [0-9a-f]{8} is being ended", ended.err), ended
    assert re.search(r"Ended [0-9a-f]{8}\. It cost \$", ended.out), ended
    assert world.billed() == []


async def test_who_rents_what_is_there_already_is_told_its_own_limits(world: Renting) -> None:
    standing = await world.rent(key="name:x")
    answer = await ran("rent", "--provider", "sandbox", "--name", "x", "--for", "1h")
    assert answer.status == 0, answer
    assert f"It is there already ({standing.wish.wish_id[:8]})" in answer.err, answer
    assert standing.rental is not None
    assert f"bill is {standing.rental.worst_case.cents_at_most()}." in answer.err, answer
    assert world.created() == 1


async def test_show_has_the_time_of_each_stage_also_by_the_id_that_costs_has(world: Renting) -> None:
    await world.rent()
    (row,) = json.loads((await ran("costs", "--json")).out)["costs"]
    shown = await ran("show", row["of"][:10], "--json")
    assert shown.status == 0, shown
    stages = {each["stage"]: each["seconds"] for each in json.loads(shown.out)["stages"]}
    assert list(stages) == ["searching", "renting", "booting", "connecting", "ready"]
    assert 0 < stages["connecting"] < stages["ready"]
    told = (await ran("show", row["of"][:10])).out
    assert re.search(r"Stages: searching .* s; renting .*; ready after ", told), told


async def test_stop_says_what_it_waits_for(world: Renting) -> None:
    standing = await world.rent()
    stopped = await ran("stop", standing.wish.wish_id, "--yes")
    assert "as the provider's own listing shows" in stopped.err, stopped
    assert world.billed() == []


async def test_what_failed_tries_cost_is_in_all_that_is_told_of_costs(world: Renting) -> None:
    world.cloud.fault("never-boots", calls=1)
    rented = await ran("rent", "--provider", "sandbox", "--name", "x", "--json")
    wish_id = json.loads(rented.out)["id"]
    stopped = await ran("stop", wish_id, "--yes")
    (row,) = json.loads((await ran("costs", "--by", "provider", "--json")).out)["costs"]
    over = json.loads((await ran("show", wish_id, "--json")).out)
    assert Money.parse(over["earlier_cost"]) > Money()
    assert Money.parse(over["cost"]) == Money.parse(row["cost"]) > Money.parse(over["attempt"]["cost"])
    assert f"It cost {Money.parse(row['cost']).cents()}." in stopped.out, stopped


async def test_who_gets_nothing_is_told_what_the_tries_cost(world: Renting) -> None:
    world.cloud.fault("slow-boot", value=240)
    rented = await ran("rent", "--provider", "sandbox", "--budget", "0.006", "--name", "x")
    assert rented.status == 1, rented
    assert "Nothing is billed any more; the tries cost $0.01." in rented.err, rented


async def test_what_nobody_looks_after_is_said_and_is_looked_after_once_it_is_shown(world: Renting) -> None:
    standing = await world.rent()
    world.kill_wardens()
    await time_passes(minutes=4)
    listed = await ran("ls")
    assert "It is not looked after since" in listed.err, listed
    (told,) = json.loads((await ran("ls", "--json")).out)["rentals"]
    assert told["unwatched_since"] is not None
    assert Money.parse(told["cost"]) > Money.parse(told["attempt"]["cost"])
    assert world.wardens() == []
    shown = await ran("show", standing.wish.wish_id)
    assert "Its warden was started again" in shown.err, shown
    assert len(world.wardens()) == 1


async def test_nobody_puts_off_the_deadline_of_a_machine_that_has_ended_meanwhile(world: Renting) -> None:
    standing = await world.rent(replace(PRETEND, lease=timedelta(minutes=2)))
    assert standing.rental is not None
    world.kill_wardens()
    world.cloud.control("POST", f"machines/{standing.rental.ref}/reclaim", {"notice": 0})
    await time_passes(minutes=4)
    refused = await ran("extend", standing.wish.wish_id, "1h")
    assert refused.status == 1, refused
    assert "Its machine is not there any more." in refused.err, refused
    over = await world.until_over(standing.wish.wish_id)
    assert over.rental is not None
    assert over.rental.deadline == standing.rental.deadline


async def test_who_gets_another_offer_than_the_first_is_told_why(world: Renting) -> None:
    world.cloud.fault("no-capacity", calls=1)
    world.cloud.fault("never-boots", calls=1)
    rented = await ran("rent", "--provider", "sandbox", "--name", "x")
    assert rented.status == 0, rented
    assert re.search(r" renting    .*The offer is taken at sandbox; renting Pretend ", rented.err), rented
    assert re.search(r" renting    it did not run after 5 min.*, destroyed at sandbox; renting Pretend ", rented.err), (
        rented
    )
    told = r"2 before it came to nothing: .*The offer is taken at sandbox; it did not run after 5 min"
    assert re.search(rf" tried      {told}", rented.err), rented
    (listed,) = json.loads((await ran("ls", "--json")).out)["rentals"]
    assert re.match(told, listed["tried"])
    shown = await ran("show", listed["id"])
    assert re.search(rf"tried      {told}", shown.out), shown


async def test_a_rental_is_shown_put_off_and_stopped_by_the_name_that_it_was_given(world: Renting) -> None:
    await world.rent(key="name:x")
    assert "for name:x" in (await ran("show", "x")).out
    assert "It ends at" in (await ran("extend", "x", "10m")).out
    stopped = await ran("stop", "x", "--yes")
    assert (stopped.status, "Ended " in stopped.out) == (0, True), stopped
    assert world.billed() == []
