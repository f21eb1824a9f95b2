"""How the clouds do, and what those who look at offers ask of them: three real servers, one hangs and one fails."""

from __future__ import annotations

import asyncio
import time

import pytest

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.model import (
    BreakerState,
    ProviderState,
)
from jupyter_gpu_bridge.providers import health
from jupyter_gpu_bridge.providers.calls import Kind
from jupyter_gpu_bridge.providers.gate import gates
from jupyter_gpu_bridge.rentals import health as rentals_health
from jupyter_gpu_bridge.rentals import shopping
from jupyter_gpu_bridge.sandbox.http import Answer
from tests.market.shops import BROKEN, GOOD, NEED, Shop, shops
from tests.on_asyncio import anyio_backend, on_asyncio
from tests.own_home import own_home

__all__ = ["anyio_backend", "on_asyncio", "own_home"]

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]


@pytest.fixture(autouse=True)
def quick(own_home: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDER_RETRY_BASE_DELAY", "0.05")
    monkeypatch.setenv("PROVIDER_RETRY_JITTER", "0")


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


async def test_a_provider_that_answers_and_does_not_take_the_key_is_not_said_to_be_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with shops(monkeypatch, acme=Answer(401, {"error": "who?"}), good=GOOD):
        acme, good = (await rentals_health.examine()).providers
        assert (acme.state, acme.key_trouble) == (ProviderState.UNAVAILABLE, "its key is refused")
        assert (acme.calls, acme.success_rate) == (1, 1.0)  # a clear no is an answer
        assert good.key_trouble == ""
        told = plain.provider_health(acme)
        assert (told["state"], told["key_trouble"]) == ("unavailable", "its key is refused")


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
            await shopping.search(NEED)
        cache = health.of("acme").cache
        assert (cache.entries, cache.hits, cache.misses, cache.ratio) == (1, 3, 1, 0.75)
        assert cache.ttl.total_seconds() == 30
        Bridge().forget_offers("acme")
        await shopping.search(NEED)
        Bridge().forget_offers()
        await shopping.search(NEED)
        assert len(scripts["acme"].heard) == 3


def test_nobody_of_that_name_can_be_reset_or_forgotten() -> None:
    for act in (Bridge().reset_provider, Bridge().forget_offers):
        with pytest.raises(BadRequest, match="no provider 'sandbx'") as caught:
            act("sandbx")
        assert "sandbox" in caught.value.advice
