"""Steps whose lack is not seen in what becomes of most rentals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from jupyter_gpu_bridge.errors import Unclear
from jupyter_gpu_bridge.model import Account, AttemptId, Need, Ref
from jupyter_gpu_bridge.rentals.installation import installation_id, machine_name
from jupyter_gpu_bridge.rentals.ledger import Ledger
from jupyter_gpu_bridge.rentals.reconcile import compare
from jupyter_gpu_bridge.rentals.standing import KEPT_FOR
from tests.rentals.renting import test_any_story
from tests.rentals.renting.in_memory import DirectBook, Machine, MemoryCloud, Process, Timeline
from tests.rentals.renting.test_any_story import KEYS, Story
from tests.rentals.renting.world import Renting

SOON = timedelta(seconds=10)


@pytest.fixture
def story() -> Iterator[Story]:
    story = Story()
    yield story
    story.teardown()


def _of_ours(timeline: Timeline) -> Machine:
    """A machine of ours that the ledger knows nothing of."""
    return Machine(Ref("m-lost"), machine_name(installation_id(), AttemptId("0123456789abcdef")), timeline.elapsed)


def test_before_anything_is_rented_what_is_rented_already_is_looked_for(story: Story) -> None:
    lost = _of_ours(story._timeline)
    story._cloud.machines.append(lost)
    story.somebody_wishes(KEYS[0])
    story._run(story._timeline.pass_(SOON))
    found = story._ledger.by_name(lost.name)
    assert found is not None
    made = next(each for each in story._cloud.machines if each not in (lost, *story._strangers))
    mine = story._ledger.by_name(made.name)
    assert mine is not None
    assert found.written <= mine.written


def test_what_is_kept_when_it_fails_lives_for_as_long_as_it_is_kept(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody renews the lease of a machine that could not be set up."""
    order = replace(test_any_story.ORDERS[KEYS[0]], keeps_failed=True, lease=timedelta(minutes=5))
    monkeypatch.setitem(test_any_story.ORDERS, KEYS[0], order)
    story._cloud.outcomes = ["stuck"]
    story.somebody_wishes(KEYS[0])
    story._run(story._timeline.pass_(SOON))
    (made,) = story._ours()
    assert made.lease_end - made.born >= KEPT_FOR


class ChangedKey(MemoryCloud):
    """Of another account once it was asked for its machines."""

    account = "one"

    async def check(self) -> Account:
        return Account(self.account)

    async def list(self) -> object:  # type: ignore[override]
        self.account = "another"
        return await super().list()


@pytest.mark.anyio
async def test_what_another_account_lists_is_not_entered(own_home: Path) -> None:
    cloud = ChangedKey(timeline := Timeline())
    cloud.machines.append(_of_ours(timeline))
    with Ledger.open() as ledger:
        with pytest.raises(Unclear):
            await compare(cloud.name, DirectBook(ledger, Process(timeline)), cloud.seen_by_one())
        assert ledger.rentals(live_only=False) == []


@pytest.mark.anyio
@pytest.mark.timeout(120)
async def test_who_has_rented_is_shown_offers_as_they_are_after_that(world: Renting) -> None:
    need = Need(providers=("sandbox",))
    before = await world.bridge.search(need)
    again = await world.bridge.search(need)
    assert [each.seen for each in again] == [each.seen for each in before], "nothing is remembered"
    await world.rent()
    rented = datetime.now(timezone.utc)
    assert all(each.seen is not None and each.seen >= rented for each in await world.bridge.search(need))
    await world.end_everything()
