"""A round of the guard that the system has run: a rental had lost its warden, and has one afterwards."""

from __future__ import annotations

import sys
from pathlib import Path

from jupyter_gpu_bridge.bridge import Standing
from jupyter_gpu_bridge.rentals.guard_timer import script, timer_now
from tests.rentals.guard_timer.system import ODD
from tests.rentals.renting.world import Renting


def oddly_named_python(folder: Path) -> str:
    """The interpreter that runs this, by a name that needs quoting everywhere."""
    environment = folder / f"py{ODD}"
    environment.symlink_to(sys.prefix)
    return str(environment / "bin" / "python")


async def rounds_are_well(world: Renting, standing: Standing) -> None:
    """And the rental ends."""
    timer = await timer_now()
    assert timer.is_well, (timer.text, script.log().read_text())
    assert script.log().read_text() == "1 rentals are looked after.\n"
    assert len(world.wardens()) == 1
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    await world.until_over(standing.wish.wish_id)
