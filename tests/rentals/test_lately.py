"""Which rentals a sidebar shows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.model import RentalState
from jupyter_gpu_bridge.rentals.observe import lately
from tests.own_home import own_home
from tests.renting import ASKED, minutes, over, standing, wish

__all__ = ["own_home"]


async def test_whoever_has_rented_nothing_opens_no_ledger(own_home: Path) -> None:
    assert list(await Bridge().rentals_lately()) == []
    assert not await Bridge().may_return()
    assert not list(own_home.rglob("ledger*"))


def test_what_ended_is_shown_for_an_hour() -> None:
    assert lately([over()], minutes(59)) == [over()]
    assert lately([over()], minutes(60)) == []


def test_what_is_not_over_is_shown_however_old_it_is() -> None:
    closed = replace(standing(state=RentalState.RELEASING), wish=wish(closed=ASKED))
    shown = [standing(), closed]
    assert lately(shown, ASKED + timedelta(days=90)) == shown


def test_the_hour_is_counted_from_when_the_machine_was_gone() -> None:
    ended = over(minutes(0))
    assert ended.rental is not None
    late = replace(ended, rental=replace(ended.rental, gone=minutes(50)))
    assert lately([late], minutes(100)) == [late]


def test_one_that_was_never_rented_is_over_when_it_was_given_up() -> None:
    given_up = replace(over(), rental=None)
    assert lately([given_up], minutes(59)) == [given_up]
    assert lately([given_up], minutes(61)) == []
