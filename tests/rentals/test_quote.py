"""What is said of the price before anything is rented, and of a cheaper one that is passed over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.market import lessons as lessons_module
from jupyter_gpu_bridge.market.lessons import NOTHING, Lessons
from jupyter_gpu_bridge.market.ranking import ranked
from jupyter_gpu_bridge.model import Money, Need, Offer, Order, Outcome, Place, Ranking, Reputation
from jupyter_gpu_bridge.providers import clouds as clouds_module
from jupyter_gpu_bridge.rentals.ledger import Ledger
from jupyter_gpu_bridge.rentals.quote import quote
from tests.own_home import own_home
from tests.rentals.ledger.scene import Scene
from tests.rentals.renting.in_memory import MemoryCloud, Timeline

__all__ = ["own_home"]

pytestmark = pytest.mark.anyio

DEAR = Offer("memory", "dear", "A100", 1, 81_920, Money.parse("1.25"), tier="secure")
CHEAP = replace(DEAR, offer_id="cheap", price=Money.parse("1.00"), tier="community")
BAD = Reputation(tries=3, failures=2, why="no SSH after 10 min")
ORDER = Order(need=Need(providers=("memory",)))


class Market(MemoryCloud):
    async def offers(self, need: Need) -> Sequence[Offer]:
        return [CHEAP, DEAR]


def passed_over(offers: Sequence[Offer], lessons: Lessons, ranking: Ranking = Ranking.PRICE) -> str:
    order = replace(ORDER, ranking=ranking)
    return quote(order, ranked(offers, ranking, lessons=lessons), lessons).passed_over


def test_a_cheaper_one_that_has_failed_is_named_with_how_often_and_what_it_would_save() -> None:
    assert passed_over([CHEAP, DEAR], Lessons({Place.of(CHEAP): BAD})) == (
        "A cheaper offer comes after all others, A100 at memory for $1.00 per hour ($0.25 less): within 30 days "
        "such a machine (community) failed 2 of 3 times (no SSH after 10 min)."
    )
    hosted = replace(CHEAP, host="h-9")
    said = passed_over([hosted, DEAR], Lessons({Place.of(hosted): BAD}))
    assert "within 30 days its host failed 2 of 3 times" in said


def test_nothing_is_said_where_nothing_cheaper_would_have_come_first() -> None:
    assert passed_over([CHEAP, DEAR], NOTHING) == ""
    assert passed_over([CHEAP, DEAR], Lessons({Place.of(DEAR): BAD})) == ""
    assert passed_over([CHEAP], Lessons({Place.of(CHEAP): BAD})) == ""
    assert passed_over([CHEAP, DEAR], Lessons({Place.of(CHEAP): BAD, Place.of(DEAR): BAD})) == ""
    fast = replace(DEAR, gpu="H100 SXM")
    assert passed_over([CHEAP, fast], Lessons({Place.of(CHEAP): BAD}), Ranking.PERFORMANCE) == ""


async def test_what_the_ledger_knows_of_a_tier_is_said_before_the_other_is_rented(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clouds_module, "_maker", lambda name: lambda: Market(Timeline()))
    assert (await Bridge().quote(ORDER)).best.offer_id == "cheap"
    with Ledger.open() as ledger:
        scene, now = Scene(ledger), datetime.now(timezone.utc)
        for key in ("name:a", "name:b"):
            ledger.experience.happened(scene.intend(scene.wish(key), offer=CHEAP), Outcome.BOOT_FAILED, "it hung", now)
    monkeypatch.setattr(lessons_module, "_KEPT_FOR", 0.0)
    found = await Bridge().quote(ORDER)
    assert found.best.offer_id == "dear"
    assert "such a machine (community) failed 2 of 2 times (it hung)." in found.passed_over
