"""How the clouds do, and what those who look at offers ask of them: three real servers, one hangs and one fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.errors import BadRequest, NoCapacity, NothingFits
from jupyter_gpu_bridge.market import sources as sources_module
from jupyter_gpu_bridge.market.search import Found, search
from jupyter_gpu_bridge.market.sources import Browsed, Source
from jupyter_gpu_bridge.model import (
    Account,
    BreakerState,
    Created,
    Money,
    Need,
    Offer,
    Order,
    ProviderState,
    Ref,
    Seen,
    Traits,
)
from jupyter_gpu_bridge.providers import clouds as clouds_module
from jupyter_gpu_bridge.providers import health
from jupyter_gpu_bridge.providers.calls import Kind
from jupyter_gpu_bridge.providers.clouds import Clouds
from jupyter_gpu_bridge.providers.gate import gates
from jupyter_gpu_bridge.providers.http import HttpClient
from jupyter_gpu_bridge.rentals import health as rentals_health
from jupyter_gpu_bridge.rentals.attempt import Attempt
from jupyter_gpu_bridge.rentals.orders import Orders
from jupyter_gpu_bridge.sandbox.http import Answer
from tests.own_home import own_home
from tests.providers.scripted import Scripted, scripted

__all__ = ["own_home"]

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

GOOD, BROKEN = Answer(200, {"offers": [{"id": "1", "price": "1.25"}], "account": "me"}), Answer(500, {"error": "boom"})
NEED = Need()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def on_asyncio(anyio_backend: str) -> None:
    """anyio only notices its tests by this fixture where pytest-jupyter has made the test items before it."""


@pytest.fixture(autouse=True)
def quick(own_home: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDER_RETRY_BASE_DELAY", "0.05")
    monkeypatch.setenv("PROVIDER_RETRY_JITTER", "0")


@dataclass
class Shop:
    """An adapter as short as one can be."""

    name: str
    address: str
    client: HttpClient = field(init=False)

    def __post_init__(self) -> None:
        self.traits = Traits(title=self.name)
        self.client = HttpClient(self.name, self.address, headers={}, secrets=[f"key of {self.name}"], trust_env=False)

    async def check(self) -> Account:
        return Account((await self.client.read("/account")).fields.text("account"))

    async def offers(self, need: Need) -> Sequence[Offer]:
        listed = (await self.client.read("/offers")).fields.list("offers")
        return [Offer(self.name, each.text("id"), "A100", 1, 81920, each.money("price")) for each in listed]

    async def create(self, plan: Any) -> Created:
        raise NoCapacity("Taken.")

    async def get(self, ref: Ref) -> Seen | None:
        return None

    async def list(self) -> Sequence[Seen]:
        return []

    async def destroy(self, ref: Ref) -> None:
        await self.client.destroy(f"/machines/{ref}")

    async def close(self) -> None:
        await self.client.close()


@asynccontextmanager
async def shops(patch: pytest.MonkeyPatch, **replies: Answer) -> AsyncIterator[dict[str, Scripted]]:
    """Providers of these names, each at a server of its own; nobody else sells anything."""
    opened = {name: scripted(reply) for name, reply in replies.items()}
    scripts = {name: await each.__aenter__() for name, each in opened.items()}

    def maker(name: str) -> Any:
        return lambda: Shop(name, scripts[name].address)

    patch.setattr(clouds_module, "_maker", maker)
    for module in (clouds_module, rentals_health):
        patch.setattr(module, "cloud_names", lambda: sorted(scripts))
    patch.setattr(sources_module, "clouds_set_up", lambda: sorted(scripts))
    try:
        yield scripts
    finally:
        for each in opened.values():
            await each.__aexit__(None, None, None)


async def found_by(source: Source | None = None) -> Found:
    clouds = Clouds()
    try:
        return await search(NEED, clouds, source)
    finally:
        await clouds.close()


# many who look -----------------------------------------------------------------------------------------------------


async def test_a_hundred_searches_at_once_ask_each_provider_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with shops(monkeypatch, acme=GOOD, other=GOOD, third=GOOD) as scripts:
        found = await asyncio.gather(*(Orders().search(NEED) for _ in range(100)))
        assert {len(offers) for offers in found} == {3}
        assert {name: len(script.heard) for name, script in scripts.items()} == {"acme": 1, "other": 1, "third": 1}


async def test_who_looks_sees_what_was_offered_a_moment_ago_and_who_rents_what_is_offered_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with shops(monkeypatch, acme=GOOD) as scripts:
        orders = Orders()
        (looked,) = await orders.search(NEED)
        scripts["acme"].replies = [Answer(200, {"offers": [{"id": "1", "price": "9.99"}]})]
        assert (await orders.search(NEED))[0].price == looked.price
        assert (await orders.quote(Order(NEED))).best.price == Money.parse("9.99")
        assert (await found_by()).offers[0].price == Money.parse("9.99")
        assert (await orders.search(NEED))[0].price == Money.parse("9.99")  # it is known now
        assert len(scripts["acme"].heard) == 3


async def test_needs_that_are_the_same_to_a_provider_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async with shops(monkeypatch, acme=GOOD) as scripts:
        for need in (Need(gpus=("A100", "h100")), Need(gpus=("H100", "a100"), providers=("acme",))):
            await Orders().search(need)
        assert len(scripts["acme"].heard) == 1


async def test_a_provider_that_is_down_is_shown_as_it_was_and_how_long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDER_CACHE_MIN_TTL", "0")
    monkeypatch.setenv("PROVIDER_CACHE_TTL", "0")
    async with shops(monkeypatch, acme=GOOD) as scripts:
        (before,) = await Orders().search(NEED)
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
        assert [offer.provider for offer in await Orders().search(NEED)] == ["acme"]
        assert scripts["other"].heard == []
        with pytest.raises(NothingFits, match=r"other is switched off \(OTHER_ENABLED\)"):
            await Orders().search(replace(NEED, providers=("other",)))
        clouds = Clouds()
        await clouds.get("other").destroy(Ref("m-1"))
        await clouds.close()
        assert [each.method for each in scripts["other"].heard] == ["DELETE"]


async def test_a_create_that_fails_lets_nobody_look_at_what_was_offered_before(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing: Any = None
    async with shops(monkeypatch, acme=GOOD, other=GOOD) as scripts:
        acme = next(offer for offer in await Orders().search(NEED) if offer.provider == "acme")
        shop = Shop("acme", scripts["acme"].address)
        attempt = Attempt(nothing, acme, nothing, shop, nothing, nothing, nothing)
        with pytest.raises(NoCapacity):
            await attempt._send(nothing, nothing)
        await shop.close()
        await Orders().search(NEED)
        assert {name: len(script.heard) for name, script in scripts.items()} == {"acme": 2, "other": 1}


async def test_a_setting_that_makes_no_sense_is_said_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_RATE_LIMIT", "fast")
    async with shops(monkeypatch, acme=GOOD) as scripts:
        for ask in (Orders().search(NEED), Bridge().health()):
            with pytest.raises(BadRequest, match="ACME_RATE_LIMIT"):
                await ask
        assert scripts["acme"].heard == []


# how they do -------------------------------------------------------------------------------------------------------


async def test_each_is_asked_once_and_one_that_hangs_costs_its_own_row_only(monkeypatch: pytest.MonkeyPatch) -> None:
    async with shops(monkeypatch, broken=BROKEN, good=GOOD, hangs=GOOD) as scripts:
        scripts["hangs"].hold = asyncio.Event()
        start = time.monotonic()
        found = await rentals_health.examine(within=2.0)
        assert time.monotonic() - start < 6
        states = {each.provider: each.state for each in found.providers}
        assert states == {
            "broken": ProviderState.UNAVAILABLE,
            "good": ProviderState.HEALTHY,
            "hangs": ProviderState.UNAVAILABLE,
        }
        assert found.summary == "Of 3 providers: 1 healthy, 2 unavailable."
        broken, good, hangs = found.providers
        assert "boom" in broken.why
        assert "has not answered within 2 s" in hangs.why
        assert (good.calls, good.success_rate, good.why) == (1, 1.0, "")
        assert good.median is not None
        assert good.limiter is not None
        assert 0 < good.limiter.available <= good.limiter.capacity == 10
        told = plain.health(found)
        assert told["ok"] is False
        assert "key of" not in str(told)


async def test_what_fails_again_and_again_is_degraded_or_unavailable_until_it_is_reset(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PROVIDER_CIRCUIT_BREAKER_TIMEOUT", "60")
    async with shops(monkeypatch, acme=BROKEN) as scripts:
        shop = Shop("acme", scripts["acme"].address)
        for _ in range(5):
            with pytest.raises(Exception, match="boom"):
                await shop.client.once("POST", "/machines")
        seen = health.of("acme")
        assert (seen.state, seen.why) == (
            ProviderState.DEGRADED,
            "Calls of a kind have failed again and again: once.",
        )
        once = next(each for each in seen.breakers if each.operation == "once")
        assert (once.state, once.failures, once.trips) == (BreakerState.OPEN, 5, 1)
        assert once.tries_in is not None
        assert once.failed_before is not None
        for _ in range(5):
            with pytest.raises(Exception, match="boom"):
                await shop.offers(NEED)
        assert health.of("acme").state is ProviderState.UNAVAILABLE
        Bridge().reset_provider("acme")
        assert gates().conduct("acme").breakers[Kind.READ].state is BreakerState.CLOSED
        assert "0% of its last 10 calls" in health.of("acme").why
        await shop.close()


async def test_a_provider_that_wants_to_be_left_alone_is_degraded(monkeypatch: pytest.MonkeyPatch) -> None:
    async with shops(monkeypatch, acme=Answer(429, None, {"Retry-After": "500"})) as scripts:
        shop = Shop("acme", scripts["acme"].address)
        with pytest.raises(Exception, match="too busy"):
            await shop.offers(NEED)
        await shop.close()
        assert "left alone for" in health.of("acme").why


async def test_offers_are_forgotten_on_request_and_figures_tell_who_looked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with shops(monkeypatch, acme=GOOD) as scripts:
        for _ in range(4):
            await Orders().search(NEED)
        cache = health.of("acme").cache
        assert (cache.entries, cache.hits, cache.misses, cache.ratio) == (1, 3, 1, 0.75)
        assert cache.ttl.total_seconds() == 30
        Bridge().forget_offers("acme")
        await Orders().search(NEED)
        Bridge().forget_offers()
        await Orders().search(NEED)
        assert len(scripts["acme"].heard) == 3


def test_nobody_of_that_name_can_be_reset_or_forgotten() -> None:
    for act in (Bridge().reset_provider, Bridge().forget_offers):
        with pytest.raises(BadRequest, match="no provider 'sandbx'") as caught:
            act("sandbx")
        assert "sandbox" in caught.value.advice
