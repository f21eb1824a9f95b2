"""A team with one ledger: what one has rented is seen by all, looked after by that one, and ended by anybody."""

from __future__ import annotations

import pytest

from jupyter_gpu_bridge.errors import RentalElsewhere
from jupyter_gpu_bridge.rentals.ledger import Ledger
from tests.rentals.renting.world import Renting, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]


async def _rented_elsewhere(world: Renting) -> str:
    """A machine of a colleague, whose warden is on another computer; it lives."""
    standing = await world.rent()
    world.kill_wardens()
    installation = world.home.bridge / "installation"
    installation.write_text("afarafar\n")
    return standing.wish.wish_id


async def test_a_guard_and_a_server_leave_what_others_have_rented_to_them(world: Renting) -> None:
    wish_id = await _rented_elsewhere(world)
    round_ = await world.bridge.guard()
    assert (list(round_.watched), list(round_.troubles)) == ([], [])
    assert [each.wish.wish_id for each in await world.bridge.rentals()] == [wish_id]
    assert not world.wardens()
    assert len(world.billed()) == 1


async def test_whoever_tries_to_enter_it_is_told_and_nothing_is_ended(world: Renting) -> None:
    wish_id = await _rented_elsewhere(world)
    with pytest.raises(RentalElsewhere, match="rented elsewhere, by a test"):
        await world.bridge.arrive(await world.bridge.rental(wish_id), world.report)
    await until(lambda: not world.wardens())
    assert (await world.bridge.rental(wish_id)).wish.is_open
    assert len(world.billed()) == 1


async def test_anybody_can_end_it(world: Renting) -> None:
    wish_id = await _rented_elsewhere(world)
    with Ledger.open() as ledger:
        found = ledger.find_wish(wish_id)
    await world.bridge.end_rental(found.wish_id, "A colleague is on holiday.")
    await world.until_over(found.wish_id)
    assert world.billed() == []


async def test_the_same_name_is_another_wish_for_each_of_them(world: Renting) -> None:
    wish_id = await _rented_elsewhere(world)
    mine = await world.want()
    assert mine.wish.wish_id != wish_id
