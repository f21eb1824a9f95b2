"""What is shown of a provider while it hangs: what it offered before, at once, and for how long that has been so."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from datetime import timedelta

import pytest

from jupyter_gpu_bridge.market import search as search_module
from jupyter_gpu_bridge.market.browse import browse, whole
from jupyter_gpu_bridge.market.sources import Browsed
from jupyter_gpu_bridge.model import Money
from jupyter_gpu_bridge.model.query import Query
from jupyter_gpu_bridge.providers import offers
from jupyter_gpu_bridge.providers.cache import AdaptiveCache
from jupyter_gpu_bridge.sandbox.http import Answer
from tests.market.shops import BROKEN, DEARER, GOOD, NEED, found_by, shops
from tests.own_home import own_home

__all__ = ["own_home"]

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

THEN, NOW = Money.parse("1.25"), Money.parse("1.50")


class Later:
    """A clock that can be put forward."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture(autouse=True)
def clock(own_home: object, monkeypatch: pytest.MonkeyPatch) -> Later:
    monkeypatch.setenv("PROVIDER_MAX_RETRIES", "0")
    clock = Later()
    cache = AdaptiveCache(offers._rules, essence=offers._essence, clock=clock)
    monkeypatch.setattr(offers, "_present", offers.RememberedOffers(cache))
    return clock


async def test_while_it_hangs_it_is_shown_at_once_as_it_was_and_then_as_it_is(
    clock: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shops(monkeypatch, acme=GOOD) as scripts:
        await whole(Query(NEED), 10)
        clock.ahead = 180
        release = scripts["acme"].hold = asyncio.Event()
        scripts["acme"].replies = [DEARER]
        async with aclosing(browse(Query(NEED))) as pages:
            at_once = await anext(pages)
            assert [row.offer.price for row in at_once.rows] == [THEN]
            assert at_once.awaited == ["acme"]
            (answer,) = at_once.answers
            assert (answer.is_stale, answer.age >= timedelta(minutes=3)) == (True, True)
            assert answer.silent.startswith("acme has not answered yet: what it offers is of 3 min")
            release.set()
            last = [each async for each in pages][-1]
        assert [row.offer.price for row in last.rows] == [NOW]
        assert [(each.is_stale, each.silent) for each in last.answers] == [(False, "")]


async def test_what_fails_after_that_stays_as_it_was(clock: Later, monkeypatch: pytest.MonkeyPatch) -> None:
    async with shops(monkeypatch, acme=GOOD) as scripts:
        await whole(Query(NEED), 10)
        clock.ahead = 180
        scripts["acme"].replies = [BROKEN]
        async with aclosing(browse(Query(NEED))) as pages:
            seen = [page async for page in pages]
    assert {tuple(row.offer.price for row in page.rows) for page in seen} == {(THEN,)}
    assert seen[-1].answers[0].is_stale
    assert "acme does not answer now: what it offers is of 3 min" in seen[-1].answers[0].silent


async def test_a_key_that_is_no_longer_taken_takes_the_old_rows_away(
    clock: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shops(monkeypatch, acme=GOOD) as scripts:
        await whole(Query(NEED), 10)
        clock.ahead = 180
        scripts["acme"].replies = [Answer(401, {"error": "no"})]
        async with aclosing(browse(Query(NEED))) as pages:
            seen = [page async for page in pages]
    assert (len(seen[0].rows), len(seen[-1].rows)) == (1, 0)
    assert "acme could not be asked" in seen[-1].answers[0].silent


async def test_what_is_fresh_too_old_or_not_remembered_at_all_is_not_shown_before_the_answer(
    clock: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shops(monkeypatch, acme=GOOD) as scripts:

        async def first() -> int:
            async with aclosing(browse(Query(NEED))) as pages:
                return len((await anext(pages)).answers)

        assert await first() == 0
        await whole(Query(NEED), 10)
        assert await first() == 0
        clock.ahead = 180
        assert await first() == 1
        monkeypatch.setenv("ACME_ENABLED", "false")
        assert await first() == 0
        monkeypatch.setenv("ACME_ENABLED", "true")
        monkeypatch.setenv("PROVIDER_CACHE_ENABLED", "false")
        assert await first() == 0
        monkeypatch.setenv("PROVIDER_CACHE_ENABLED", "true")
        clock.ahead = 4000
        assert await first() == 0
        assert len(scripts["acme"].heard) >= 1


async def test_who_does_not_wait_any_longer_has_what_it_offered_before_and_who_rents_has_not(
    clock: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "_WITHIN", 0.3)
    async with shops(monkeypatch, acme=GOOD, good=GOOD) as scripts:
        await found_by(Browsed())
        clock.ahead = 180
        scripts["acme"].hold = asyncio.Event()
        found = await found_by(Browsed())
        assert sorted(offer.provider for offer in found.offers) == ["acme", "good"]
        assert len(found.silent) == 1
        assert found.silent[0].startswith("acme has not answered within 0.3 s: what it offers is of 3 min")
        assert [offer.provider for offer in (await found_by()).offers] == ["good"]
