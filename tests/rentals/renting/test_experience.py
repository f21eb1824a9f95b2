"""What became of machines is known afterwards, host by host; and a memory that fails costs no more than the memory."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from jupyter_gpu_bridge.db import sqlite
from jupyter_gpu_bridge.model import Outcome, Place, RentalState, Reputation
from jupyter_gpu_bridge.rentals.book import Book
from jupyter_gpu_bridge.rentals.clock import clock_of_environment
from jupyter_gpu_bridge.rentals.experience import tell_outcome
from jupyter_gpu_bridge.rentals.ledger import Ledger
from tests.rentals.ledger.scene import Scene
from tests.rentals.renting.world import Renting

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]


def reputations() -> Mapping[Place, Reputation]:
    with Ledger.open() as ledger:
        return ledger.experience.reputations(["sandbox"], clock_of_environment().now())


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("never-boots", "it did not run after 5 min"),
        ("no-ssh", "no SSH after 2 min"),
        ("no-python", "its set-up failed for 2 min"),
    ],
)
async def test_a_host_that_failed_and_one_that_did_not_are_known_as_such(world: Renting, fault: str, why: str) -> None:
    world.cloud.fault(fault, calls=1)
    standing = await world.rent()
    assert standing.rental is not None
    good = Place.of(standing.rental.offer)
    found = reputations()
    assert (found[good].tries, found[good].failures) == (1, 0)
    (bad,) = (reputation for place, reputation in found.items() if place != good)
    assert (bad.tries, bad.failures, bad.sinks) == (1, 1, False)
    assert bad.why.startswith(why)
    await world.bridge.end_rental(standing.wish.wish_id, "It was a test.")
    await world.until_over(standing.wish.wish_id)
    assert reputations() == found, "that somebody ends his machine says nothing of its host"


async def test_a_machine_that_is_taken_back_is_a_failure_of_its_host(world: Renting) -> None:
    standing = await world.rent()
    assert standing.rental is not None
    world.cloud.control("POST", f"machines/{standing.rental.ref}/reclaim", {"notice": 0})
    await world.until_over(standing.wish.wish_id)
    found = reputations()[Place.of(standing.rental.offer)]
    assert (found.tries, found.failures, found.why) == (1, 1, "The provider took the machine back")


@pytest.mark.parametrize("trouble", ["locked", "damaged", "gone"])
async def test_what_cannot_be_written_down_is_forgotten_and_stops_nobody(
    tmp_path: Path, trouble: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sqlite, "_PATIENCE", 0.1)
    path = tmp_path / "ledger.db"
    with Ledger.open(f"sqlite:///{path}") as ledger, closing(sqlite3.connect(path)) as other:
        rental = Scene(ledger).rental(state=RentalState.CREATED)
        if trouble == "locked":
            other.execute("BEGIN IMMEDIATE")
        elif trouble == "damaged":
            other.execute("DROP TABLE market_outcomes")
        else:
            path.unlink()
        with caplog.at_level(logging.WARNING):
            await tell_outcome(Book(ledger, clock_of_environment()), rental, Outcome.BOOT_FAILED, "it did not run")
        assert "is forgotten" in caplog.text
