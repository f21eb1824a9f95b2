"""A provider whose adapter is taken away, or breaks, while it has machines of ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jupyter_gpu_bridge.model import Need, Order, RentalState
from tests.rentals.renting.command import Command, ran
from tests.rentals.renting.plug_in import NAME, PlugIn
from tests.rentals.renting.world import PRETEND, Renting

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

ORDER = Order(need=Need(providers=(NAME,)), idle=PRETEND.idle)


@pytest.fixture
def plug_in(world: Renting) -> Iterator[PlugIn]:
    with pytest.MonkeyPatch.context() as patch:
        yield PlugIn(world.home.folder / "site", patch)


async def test_a_machine_of_a_provider_that_is_not_installed_any_more_is_kept_told_and_ended_later(
    world: Renting, plug_in: PlugIn
) -> None:
    standing = await world.rent(ORDER)
    assert standing.rental is not None
    wish_id, name, price = standing.wish.wish_id, standing.rental.name, standing.rental.price
    plug_in.uninstall()
    world.kill_wardens()

    (trouble,) = (await world.bridge.guard()).troubles
    assert "'acme' is not installed any more" in trouble
    assert f"{name} at {price} per hour" in trouble
    assert "Install it again" in trouble
    standing = await world.bridge.arrive(standing, world.report)
    assert standing.rental is not None
    assert standing.rental.state is RentalState.REACHABLE, "its kernels go on meanwhile"

    stopping = await Command.start("stop", wish_id[:8], "--yes")
    told = await stopping.until_noted("is not installed any more")
    assert f"costs {price} per hour until it is ended" in told
    listed = await ran("ls")
    assert (listed.status, NAME in listed.out) == (0, True)
    assert "is not installed any more" in listed.err
    assert stopping.is_running
    assert len(world.billed()) == 1

    plug_in.install()
    ended = await stopping.ended()
    assert (ended.status, ended.out.startswith(f"Ended {wish_id[:8]}. It cost $")) == (0, True)
    assert world.billed() == []
    plug_in.uninstall()
    assert (await world.bridge.guard()).troubles == [], "nothing is billed there, so it may be forgotten"


async def test_a_provider_that_cannot_be_loaded_breaks_nothing_and_goes_on_when_it_can(
    world: Renting, plug_in: PlugIn
) -> None:
    standing = await world.rent(ORDER)
    wish_id = standing.wish.wish_id
    plug_in.damage()
    world.kill_wardens()
    guarding = await ran("guard")
    assert guarding.status == 1
    assert "'acme' is installed and cannot be loaded: ModuleNotFoundError" in guarding.err
    assert "Traceback" not in guarding.err
    searching = await ran("rent", "--gpu", "H900", "--yes")
    assert searching.status == 1
    assert "acme could not be asked: The provider 'acme' is installed and cannot be loaded" in searching.err
    found = await world.bridge.rental(wish_id)
    assert found.wish.is_open
    assert len(world.billed()) == 1
    plug_in.install()
    await world.bridge.end_rental(wish_id, "It was a test.")
    await world.until_over(wish_id)
    assert world.billed() == []
