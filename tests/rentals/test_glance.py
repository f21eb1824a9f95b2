"""What is read past the ledger is what the ledger says, and nothing is read that is not known for sure."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Boolean

from jupyter_gpu_bridge import settings
from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.db import tables
from jupyter_gpu_bridge.db.types import DurationColumn, MoneyColumn, TimeColumn
from jupyter_gpu_bridge.model import Money, Ref, RentalState
from jupyter_gpu_bridge.rentals import glance as module
from jupyter_gpu_bridge.rentals import orders as orders_module
from jupyter_gpu_bridge.rentals.glance import glance
from jupyter_gpu_bridge.rentals.ledger import Ledger
from tests.own_home import own_home
from tests.rentals.ledger.scene import MINUTE, NOON, Scene

__all__ = ["own_home"]


@pytest.fixture
def ledger(own_home: Path) -> Iterator[Ledger]:
    with Ledger.open() as found:
        yield found


def _file() -> Path:
    return settings.data_folder() / "ledger.db"


async def test_at_a_glance_it_is_what_the_ledger_says(ledger: Ledger) -> None:
    scene = Scene(ledger)
    for number, state in enumerate([*(set(RentalState) - {RentalState.UNKNOWN}), RentalState.UNKNOWN]):
        rental = scene.bring(scene.intend(scene.wish(f"name:{number}", NOON + number * MINUTE)), state)
        ledger.note(rental.wish_id, rental.attempt_id, "warning", f"Look at {number}.", NOON)
        ledger.note(rental.wish_id, rental.attempt_id, "booting", "It starts.", NOON + timedelta(microseconds=number))
    again = next(each for each in ledger.rentals(live_only=False) if each.state is RentalState.GONE)
    second = scene.intend(again.wish_id, account="another", now=NOON + MINUTE)
    ledger.accrue(again.attempt_id, NOON + 30 * MINUTE)
    ledger.bill(again.attempt_id, Money.parse("0.30"))
    ledger.advance(second.attempt_id, RentalState.REQUESTED, now=NOON + MINUTE)
    ledger.advance(second.attempt_id, RentalState.CREATED, now=NOON + MINUTE, ref=Ref("m-1"), address="::1", port=2222)
    scene.wish("profile:none yet", NOON - MINUTE)
    for key, closes in (("name:over", True), ("name:ending", False)):
        ending = scene.bring(scene.intend(scene.wish(key), account="another"), RentalState.RELEASING)
        ledger.close_wish(ending.wish_id, "It was stopped.", NOON)
        if closes:
            ledger.advance(ending.attempt_id, RentalState.GONE, now=NOON)
    seen = glance()
    assert seen is not None
    assert list(seen) == list(await orders_module.orders().all())
    (tried_twice,) = [each for each in seen if each.wish.wish_id == again.wish_id]
    assert tried_twice.earlier == Money.parse("0.30")
    assert {each.wish.key for each in seen} >= {"profile:none yet", "name:ending", "name:0"}
    assert "name:over" not in {each.wish.key for each in seen}
    assert await Bridge().rentals() == seen


def test_every_column_is_read_as_what_it_is() -> None:
    """One that comes later is not known there."""
    for table in (tables.wishes, tables.rentals, tables.events):
        columns = {f"{table.name}.{column.name}": column.type for column in table.columns}
        kinds = ((TimeColumn, module._TIMES), (MoneyColumn, module._SUMS), (Boolean, module._FLAGS))
        for kind, names in kinds:
            found = {name for name, its in columns.items() if isinstance(its, kind)}
            assert found == {name for name in names if name.startswith(f"{table.name}.")}, kind
        assert not [name for name, its in columns.items() if isinstance(its, DurationColumn)]


def test_no_ledger_is_made_by_looking(own_home: Path) -> None:
    assert glance() is None
    assert not _file().exists()


def test_a_ledger_of_another_version_is_left_to_the_ledger(ledger: Ledger) -> None:
    with sqlite3.connect(_file()) as connection:
        connection.execute("UPDATE ledger_version SET version_num = '0099'")
    connection.close()
    assert glance() is None


def test_a_file_that_is_no_ledger_is_left_to_the_ledger(own_home: Path) -> None:
    _file().parent.mkdir(parents=True, exist_ok=True)
    _file().write_bytes(b"no database at all, and longer than a page is not needed to see it" * 100)
    assert glance() is None


def test_a_ledger_elsewhere_is_left_to_the_ledger(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(settings.LEDGER_VARIABLE, f"sqlite:///{_file()}")
    assert glance() is None


async def test_whoever_writes_is_not_in_the_way(ledger: Ledger) -> None:
    scene = Scene(ledger)
    scene.wish("name:one")
    with sqlite3.connect(_file(), isolation_level=None) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE ledger_wishes SET asked_by = 'somebody'")
        seen = await asyncio.wait_for(asyncio.to_thread(glance), 1)
        writer.execute("ROLLBACK")
    writer.close()
    assert seen is not None
    assert [each.wish.asked_by for each in seen] == [ledger.wishes()[0].asked_by]
