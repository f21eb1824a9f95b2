"""A process that ends at any marked point leaves no machine that nobody wants, and never two for one wish.

Each point once or twice; `python -m benchmarks.power_cuts` goes through all of them again and again.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import jupyter_gpu_bridge
from tests.rentals.renting import cuts_of_commands as commands
from tests.rentals.renting import cuts_of_wardens as wardens
from tests.rentals.renting.cuts import (
    ANSWER_LOST,
    ANSWERS,
    ASKING,
    BEFORE_THE_MACHINE,
    FAILED,
    IN_USE,
    LIMIT,
    LOOKED_AFTER,
    ORPHAN_FOUND,
    WHEN_IT_ENDS,
    WHO_COMES_BACK,
    all_cuts,
)
from tests.rentals.renting.world import Renting, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

KEY = "name:test"


def test_every_marked_point_is_tested() -> None:
    package = Path(jupyter_gpu_bridge.__file__).parent
    marked = {
        point for file in package.rglob("*.py") for point in re.findall(r'reached\("([a-z-]+)"\)', file.read_text())
    }
    of_wardens = {*BEFORE_THE_MACHINE, *IN_USE, *WHEN_IT_ENDS, *ANSWER_LOST, *FAILED, *LIMIT}
    assert marked == of_wardens | {*ASKING, *ORPHAN_FOUND, *LOOKED_AFTER}
    assert marked == {cut.point for cut in all_cuts()}
    assert len(marked) >= 20


@pytest.mark.parametrize("point", BEFORE_THE_MACHINE)
async def test_what_dies_on_the_way_goes_on_where_it_was(world: Renting, point: str) -> None:
    await wardens.on_the_way(world, KEY, point, wanted=True)
    await until(lambda: not world.wardens())


@pytest.mark.parametrize("point", BEFORE_THE_MACHINE)
async def test_what_dies_on_the_way_and_is_not_wanted_any_more_leaves_nothing(world: Renting, point: str) -> None:
    await wardens.on_the_way(world, KEY, point, wanted=False)
    await until(lambda: not world.wardens())


@pytest.mark.parametrize("point", IN_USE)
async def test_a_warden_that_dies_under_a_kernel_is_followed_by_one_that_finds_it(world: Renting, point: str) -> None:
    await wardens.under_a_kernel(world, KEY, point)


@pytest.mark.parametrize("point", WHEN_IT_ENDS)
async def test_what_dies_at_the_end_ends_it_when_it_is_back(world: Renting, point: str) -> None:
    await wardens.when_it_ends(world, KEY, point)


@pytest.mark.parametrize("point", ANSWER_LOST)
@pytest.mark.parametrize("fault", ANSWERS)
async def test_a_machine_whose_answer_was_lost_is_found(world: Renting, point: str, fault: str) -> None:
    await wardens.as_the_answer_is_lost(world, KEY, point, fault=fault)
    assert world.created() == 1


@pytest.mark.parametrize("point", FAILED)
async def test_what_dies_as_an_attempt_fails_leaves_nothing(world: Renting, point: str) -> None:
    await wardens.as_an_attempt_fails(world, KEY, point)


@pytest.mark.parametrize("point", LIMIT)
async def test_what_dies_at_a_limit_ends_the_machine_when_it_is_back(world: Renting, point: str) -> None:
    await wardens.at_a_limit(world, KEY, point)


async def test_what_dies_as_it_has_wished_goes_on_with_that_wish(world: Renting) -> None:
    await commands.as_it_is_wished_for(world, KEY, comes_back=True)


async def test_for_a_wish_of_the_dead_that_nobody_asks_for_again_nothing_is_rented(world: Renting) -> None:
    await commands.as_it_is_wished_for(world, KEY, comes_back=False)


@pytest.mark.parametrize("back", WHO_COMES_BACK)
async def test_what_dies_as_it_has_said_that_a_machine_is_to_end_has_said_so(world: Renting, back: str) -> None:
    await commands.as_it_is_ended(world, KEY, back=back)


@pytest.mark.parametrize("point", ORPHAN_FOUND)
async def test_whoever_dies_as_it_finds_an_orphan_leaves_it_to_the_next(world: Renting, point: str) -> None:
    await commands.as_an_orphan_is_found(world, KEY, point)


@pytest.mark.parametrize("point", LOOKED_AFTER)
async def test_whoever_dies_as_it_looks_after_what_is_rented_is_followed(world: Renting, point: str) -> None:
    await LOOKED_AFTER[point](world, KEY, point)
