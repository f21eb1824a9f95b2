"""A ledger that was lost is told from one that is young, and from an attempt that died before it was written down."""

from __future__ import annotations

from pathlib import Path

from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.rentals import key_pairs
from jupyter_gpu_bridge.rentals import orders as orders_module
from jupyter_gpu_bridge.rentals.installation import new_attempt_id
from jupyter_gpu_bridge.rentals.ledger import Ledger
from tests.own_home import own_home
from tests.rentals.ledger.scene import NOON, Scene

__all__ = ["own_home"]


async def test_nothing_was_rented_where_there_are_no_keys(own_home: Path) -> None:
    assert await Bridge().lost_rentals() == ""
    assert not list(own_home.rglob("ledger.db"))


async def test_keys_that_are_older_than_the_ledger_tell_that_another_one_was_lost(own_home: Path) -> None:
    key_pairs.make(new_attempt_id())
    assert "machines that were rented here before" in await Bridge().lost_rentals()
    orders_module.forget()


async def test_keys_that_the_ledger_knows_or_that_are_younger_than_it_tell_nothing(own_home: Path) -> None:
    with Ledger.open() as ledger:
        scene = Scene(ledger)
        known = scene.intend(scene.wish(now=NOON), attempt_id=new_attempt_id())
    for attempt_id in (known.attempt_id, new_attempt_id()):  # the second of one who died before he wrote it down
        key_pairs.make(attempt_id)
        assert await Bridge().lost_rentals() == ""
    orders_module.forget()
