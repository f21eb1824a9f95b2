"""For days nothing is rented that only this computer could end, unless the system runs the guard."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from jupyter_gpu_bridge.errors import NothingFits
from jupyter_gpu_bridge.model import Offer, Order
from jupyter_gpu_bridge.providers.clouds import Clouds
from jupyter_gpu_bridge.rentals.guard_timer import cron, script
from jupyter_gpu_bridge.rentals.unguarded import without_unguarded
from tests.own_home import own_home
from tests.renting import A100

__all__ = ["own_home"]

ALONE = replace(A100, provider="lambda")
MONTH = Order(deadline=timedelta(days=30))


@pytest.fixture
def programs(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All that can be called: nothing that runs a guard."""
    folder = own_home / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


async def _left(offers: Sequence[Offer], order: Order) -> Sequence[Offer]:
    clouds = Clouds()
    try:
        return await without_unguarded(offers, order, clouds)
    finally:
        await clouds.close()


async def test_a_month_on_what_nothing_else_ends_is_refused(programs: Path) -> None:
    with pytest.raises(NothingFits, match=r"more than 24 h nothing is rented at Lambda.*guard install.*--unguarded"):
        await _left([ALONE], MONTH)


async def test_what_ends_alone_is_rented_instead_where_there_is_such_an_offer(programs: Path) -> None:
    assert await _left([ALONE, A100], MONTH) == [A100]


async def test_a_day_needs_no_guard_and_who_insists_has_it(programs: Path) -> None:
    assert await _left([ALONE], Order(deadline=timedelta(hours=24))) == [ALONE]
    assert await _left([ALONE], replace(MONTH, unguarded=True)) == [ALONE]


@pytest.mark.skipif(sys.platform == "darwin", reason="launchd runs it there")
async def test_with_the_guard_installed_it_is_rented(programs: Path) -> None:
    crontab = programs / "crontab"
    crontab.write_text(f"#!/bin/sh\necho '{cron.line(str(script.place())).decode()}'\n")
    crontab.chmod(0o700)
    assert await _left([ALONE], MONTH) == [ALONE]
