"""Double clicks, two servers, two ledgers: one machine for each wish, and each touches only its own.

A few rounds of each; `python -m benchmarks.rounds` plays a hundred.
"""

from __future__ import annotations

import pytest

from tests.rentals.renting.rounds import STORIES
from tests.rentals.renting.world import Renting

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]


@pytest.mark.parametrize(
    ("name", "numbers"), [("double_clicks", range(2)), ("two_servers", range(5)), ("two_ledgers", range(3, 5))]
)
async def test_one_machine_for_each_wish_and_each_touches_only_its_own(
    world: Renting, name: str, numbers: range
) -> None:
    async with STORIES[name](world) as play:
        for number in numbers:
            await play(number)
