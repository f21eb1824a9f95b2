from __future__ import annotations

import pytest

from jupyter_gpu_bridge.providers.offers import remembered
from tests.rentals.renting.world import PRETEND, Renting

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]


async def test_who_looks_after_somebody_has_rented_sees_what_is_left(world: Renting) -> None:
    """The machine is rented by its warden, of whose doings this process sees nothing."""
    await world.bridge.search(PRETEND.need)
    assert remembered().cache.entries("sandbox") == 1
    await world.rent()
    assert remembered().cache.entries("sandbox") == 0
