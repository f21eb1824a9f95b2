"""What those who look at offers ask of providers: of three, one hangs and one fails."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.errors import BadRequest, NoCapacity, NothingFits
from jupyter_gpu_bridge.market import search as search_module
from jupyter_gpu_bridge.market.browse import browse, whole
from jupyter_gpu_bridge.market.sources import Browsed
from jupyter_gpu_bridge.model import (
    Money,
    Need,
    Offer,
    Order,
    Outcome,
    Ranking,
    Ref,
)
from jupyter_gpu_bridge.model.query import Query
from jupyter_gpu_bridge.providers.clouds import Clouds
from jupyter_gpu_bridge.rentals import shopping
from jupyter_gpu_bridge.rentals.attempt import Attempt
from jupyter_gpu_bridge.rentals.ledger import Ledger
from jupyter_gpu_bridge.sandbox.http import Answer
from tests.market.shops import BROKEN, DEARER, GOOD, NEED, Shop, found_by, shops
from tests.own_home import own_home
from tests.rentals.ledger.scene import Scene

__all__ = ["own_home"]

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]


@pytest.fixture(autouse=True)
def quick(own_home: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDER_RETRY_BASE_DELAY", "0.05")
    monkeypatch.setenv("PROVIDER_RETRY_JITTER", "0")


async def test_a_hundred_searches_at_once_ask_each_provider_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with shops(monkeypatch, acme=GOOD, other=GOOD, third=GOOD) as scripts:
        found = await asyncio.gather(*(shopping.search(NEED) for _ in range(100)))
        assert {len(offers) for offers in found} == {3}
        assert {name: len(script.heard) for name, script in scripts.items()} == {"acme": 1, "other": 1, "third": 1}


async def test_who_looks_sees_what_was_offered_a_moment_ago_and_who_rents_what_is_offered_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with shops(monkeypatch, acme=GOOD) as scripts:
        (looked,) = await shopping.search(NEED)
        scripts["acme"].replies = [Answer(200, {"offers": [{"id": "1", "price": "9.99"}]})]
        assert (await shopping.search(NEED))[0].price == looked.price
        assert (await shopping.quote(Order(NEED), None)).best.price == Money.parse("9.99")
        assert (await found_by()).offers[0].price == Money.parse("9.99")
        assert (await shopping.search(NEED))[0].price == Money.parse("9.99")  # it is known now
        assert len(scripts["acme"].heard) == 3


async def test_needs_that_are_the_same_to_a_provider_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async with shops(monkeypatch, acme=GOOD) as scripts:
        for need in (Need(gpus=("A100", "h100")), Need(gpus=("H100", "a100"), providers=("acme",))):
            await shopping.search(need)
        assert len(scripts["acme"].heard) == 1


async def test_a_provider_that_is_down_is_shown_as_it_was_and_how_long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDER_CACHE_MIN_TTL", "0")
    monkeypatch.setenv("PROVIDER_CACHE_TTL", "0")
    async with shops(monkeypatch, acme=GOOD) as scripts:
        (before,) = await shopping.search(NEED)
        scripts["acme"].replies = [BROKEN]
        found = await found_by(Browsed())
        assert list(found.offers) == [before]
        assert before.seen is not None
        assert found.silent == ["acme does not answer now: what it offers is of 0 s ago"]
        with pytest.raises(NothingFits, match="acme could not be asked"):
            await found_by()


async def test_one_that_hangs_and_one_that_fails_cost_their_own_offers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANGS_TIMEOUT", "0.5")
    async with shops(monkeypatch, good=GOOD, hangs=GOOD, broken=BROKEN) as scripts:
        scripts["hangs"].hold = asyncio.Event()
        found = await found_by(Browsed())
        assert [offer.provider for offer in found.offers] == ["good"]
        assert [silent.split()[0] for silent in found.silent] == ["broken", "hangs"]


async def test_one_that_is_switched_off_is_not_asked_and_says_so_when_it_is_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTHER_ENABLED", "false")
    async with shops(monkeypatch, acme=GOOD, other=GOOD) as scripts:
        assert [offer.provider for offer in await shopping.search(NEED)] == ["acme"]
        assert scripts["other"].heard == []
        with pytest.raises(NothingFits, match=r"other is switched off \(OTHER_ENABLED\)"):
            await shopping.search(replace(NEED, providers=("other",)))
        clouds = Clouds()
        await clouds.get("other").destroy(Ref("m-1"))
        await clouds.close()
        assert [each.method for each in scripts["other"].heard] == ["DELETE"]


async def test_a_create_that_fails_lets_nobody_look_at_what_was_offered_before(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing: Any = None
    async with shops(monkeypatch, acme=GOOD, other=GOOD) as scripts:
        acme = next(offer for offer in await shopping.search(NEED) if offer.provider == "acme")
        shop = Shop("acme", scripts["acme"].address)
        attempt = Attempt(nothing, acme, nothing, shop, nothing, nothing, nothing)
        with pytest.raises(NoCapacity):
            await attempt._send(nothing, nothing)
        await shop.close()
        await shopping.search(NEED)
        assert {name: len(script.heard) for name, script in scripts.items()} == {"acme": 2, "other": 1}


async def test_a_setting_that_makes_no_sense_is_said_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_RATE_LIMIT", "fast")
    async with shops(monkeypatch, acme=GOOD) as scripts:
        for ask in (shopping.search(NEED), Bridge().health()):
            with pytest.raises(BadRequest, match="ACME_RATE_LIMIT"):
                await ask
        assert scripts["acme"].heard == []


# a page that grows -------------------------------------------------------------------------------------------------


async def test_the_first_rows_are_there_as_soon_as_the_quickest_has_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDER_MAX_RETRIES", "0")
    async with shops(monkeypatch, good=GOOD, hangs=GOOD, broken=BROKEN) as scripts:
        release = scripts["hangs"].hold = asyncio.Event()
        async with aclosing(browse(Query(NEED))) as pages:
            nothing = await anext(pages)
            assert (nothing.rows, nothing.awaited) == ([], ["broken", "good", "hangs"])
            while len((page := await anext(pages)).answers) < 2:
                pass
            assert [row.offer.provider for row in page.rows] == ["good"]
            assert page.awaited == ["hangs"]
            broken, good = page.answers
            assert (good.offered, good.silent, good.is_stale) == (1, "", False)
            assert "broken could not be asked" in broken.silent
            release.set()
            last = [each async for each in pages][-1]
        assert [row.offer.provider for row in last.rows] == ["good", "hangs"]
        assert not last.awaited


async def test_whoever_leaves_early_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    async with shops(monkeypatch, hangs=GOOD) as scripts:
        scripts["hangs"].hold = asyncio.Event()
        before = asyncio.all_tasks()
        pages = browse(Query(NEED))
        await anext(pages)
        asked = asyncio.ensure_future(anext(pages))
        while not scripts["hangs"].heard:
            await asyncio.sleep(0.01)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        await pages.aclose()
        ours = {task for task in asyncio.all_tasks() - before if "browse" in repr(task) or "sources" in repr(task)}
        assert not ours


async def test_after_its_patience_a_page_says_who_has_not_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    async with shops(monkeypatch, good=GOOD, hangs=GOOD) as scripts:
        scripts["hangs"].hold = asyncio.Event()
        page = await whole(Query(NEED), 0.5)
        assert [row.offer.provider for row in page.rows] == ["good"]
        assert page.awaited == ["hangs"]


async def test_all_who_look_for_whatever_ask_each_provider_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever they filter and sort by: on a cold cache, a hundred of them."""
    needs = [Need(gpus=("A100",)), Need(max_price=Money.parse("2")), Need(regions=("x",)), Need(score=80), Need()]
    rankings = list(Ranking)
    async with shops(monkeypatch, acme=GOOD, other=GOOD, third=GOOD) as scripts:
        queries = [Query(needs[number % 5], rankings[number % len(rankings)]) for number in range(100)]
        pages = await asyncio.gather(*(whole(query, 10) for query in queries))
        assert {page.offered for page in pages} == {3}
        assert {name: len(script.heard) for name, script in scripts.items()} == {"acme": 1, "other": 1, "third": 1}


async def test_an_adapter_of_others_that_breaks_costs_its_own_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    async with shops(monkeypatch, good=GOOD, hurt=GOOD):
        offers = Shop.offers

        async def breaks(self: Shop, need: Need) -> Sequence[Offer]:
            if self.name == "good":
                return await offers(self, need)
            raise ZeroDivisionError("division by zero")

        monkeypatch.setattr(Shop, "offers", breaks)
        page = await whole(Query(NEED), 10)
        assert [row.offer.provider for row in page.rows] == ["good"]
        assert page.answers[1].silent == (
            "hurt could not be asked: its adapter is broken (ZeroDivisionError: division by zero)"
        )


async def test_why_there_is_nothing_tells_what_excludes_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    async with shops(monkeypatch, acme=GOOD, broken=BROKEN):
        page = await whole(Query(replace(NEED, max_price=Money.parse("1"), cuda="12.4")), 10)
        assert page.rows == []
        assert "None of 1 offers fits: at most $1.00 per hour excludes 1; CUDA 12.4 excludes 1 (1 do not say)." in (
            page.why_empty
        )
        assert "broken could not be asked" in page.why_empty
        alone = await whole(Query(replace(NEED, max_price=Money.parse("1"), providers=("acme",))), 10)
        assert "at most $1.00 per hour excludes 1 (1 by this alone)" in alone.why_empty
        meant = await whole(Query(replace(NEED, gpus=("H1000",), providers=("acme",))), 10)
        assert meant.why_empty.startswith("'H1000' is no GPU that is known; did you mean H100")


@pytest.mark.parametrize(
    ("need", "match"),
    [
        (Need(stock="plenty"), "Stock 'plenty' is not known"),
        (Need(categories=("gaming",)), "'gaming' is not known"),
        (Need(cuda="newest"), "'newest' is no version of CUDA"),
        (Need(score=-1), "Less than nothing"),
        (Need(min_price=Money(2), max_price=Money(1)), "No price is at least"),
    ],
)
async def test_what_makes_no_sense_is_said_before_anybody_is_asked(
    need: Need, match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shops(monkeypatch, acme=GOOD) as scripts:
        with pytest.raises(BadRequest, match=match):
            await whole(Query(need), 10)
        assert scripts["acme"].heard == []


# what is learned by looking, and what was learned before -----------------------------------------------------------


async def test_what_was_offered_is_written_down_once_for_all_who_looked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with shops(monkeypatch, acme=GOOD, broken=BROKEN):
        await asyncio.gather(*(whole(Query(NEED), 10) for _ in range(5)))
        (sold,) = (await Bridge().price_history("A100")).sold
        assert (sold.provider, sold.now.prices.low, len(sold.points)) == ("acme", Money.parse("1.25"), 1)


async def test_an_answer_that_was_narrowed_says_nothing_of_what_is_not_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with shops(monkeypatch, acme=GOOD):
        await whole(Query(replace(NEED, disk_gib=500)), 10)
        assert (await Bridge().price_history("A100")).sold == []


async def test_a_ledger_that_cannot_be_read_teaches_nothing_and_hides_nothing(
    monkeypatch: pytest.MonkeyPatch, own_home: Path
) -> None:
    (own_home / "bridge" / "ledger.db").write_text("this is no database, and long enough to be read as one")
    async with shops(monkeypatch, acme=GOOD):
        page = await whole(Query(NEED), 10)
        assert [(row.offer.provider, row.warning) for row in page.rows] == [("acme", "")]


async def test_a_place_that_failed_again_and_again_sinks_and_says_why(
    monkeypatch: pytest.MonkeyPatch, own_home: Path
) -> None:
    with Ledger.open() as ledger:
        scene = Scene(ledger)
        for number in range(2):
            rental = scene.intend(scene.wish(f"name:{number}"), offer=Offer("acme", "1", "A100", 1, 81920, Money(1)))
            now = datetime.now(timezone.utc)
            ledger.experience.happened(rental, Outcome.NEVER_ENTERED, "no SSH after 5 min", now)
    async with shops(monkeypatch, acme=GOOD, other=DEARER):
        rows = (await whole(Query(NEED), 10)).rows
        assert [row.offer.provider for row in rows] == ["other", "acme"]
        assert rows[1].warning == "failed 2 of 2 times (no SSH after 5 min)"
        assert [offer.provider for offer in (await found_by()).offers] == ["other", "acme"]


async def test_what_the_market_shows_is_written_down_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    async with shops(monkeypatch, acme=GOOD):
        await Bridge().market_statistics()
        (sold,) = (await Bridge().price_history("A100")).sold
        assert (sold.provider, sold.now.prices.low) == ("acme", Money.parse("1.25"))


@pytest.mark.parametrize("price", ["1e400", "1e999999", "-1", "1000001"])
async def test_a_price_that_nobody_can_mean_costs_its_own_provider_only(
    monkeypatch: pytest.MonkeyPatch, price: str
) -> None:
    nonsense = Answer(200, {"offers": [{"id": "1", "price": price}], "account": "me"})
    async with shops(monkeypatch, acme=nonsense, good=GOOD):
        page = await whole(Query(NEED), 10)
        assert [row.offer.provider for row in page.rows] == ["good"]


async def test_whoever_rents_does_not_wait_long_for_one_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "_WITHIN", 0.5)
    async with shops(monkeypatch, good=GOOD, hangs=GOOD) as scripts:
        scripts["hangs"].hold = asyncio.Event()
        found = await found_by()
        assert [offer.provider for offer in found.offers] == ["good"]
        assert found.silent == ["hangs has not answered within 0.5 s"]
