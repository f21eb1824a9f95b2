"""Every no of this cloud, told apart; and what a failed order has left behind."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_gpu_bridge.errors import (
    CloudError,
    KeyBad,
    KeyForbidden,
    KeyMissing,
    KeyUnfunded,
    NoCapacity,
    Refused,
    Unclear,
)
from jupyter_gpu_bridge.model import Money, Need, Offer, Ref, SeenState
from jupyter_gpu_bridge.providers.cache import AdaptiveCache, CacheRules, Kept
from jupyter_gpu_bridge.providers.calls import Kind
from jupyter_gpu_bridge.providers.gate import gates
from jupyter_gpu_bridge.providers.offers import RememberedOffers
from jupyter_gpu_bridge.providers.vast import Vast
from jupyter_gpu_bridge.sandbox.http import Answer
from tests.clouds.cloud import SimulatedCloud
from tests.providers.scripted import scripted
from tests.providers.vast.there import NAME, There, account, in_account

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

# keys and money ------------------------------------------------------------------------------------------------------


@in_account
async def test_a_bad_key_is_told_in_both_of_its_words(there: There) -> None:
    plan = there.cloud.plan(await there.offer(), NAME)
    wrong = Vast(key="not-mine", address=str(there.cloud.api["address"]))
    calls: list[Callable[[], Awaitable[object]]] = [
        wrong.check,
        wrong.list,
        lambda: wrong.offers(Need()),
        lambda: wrong.create(plan),
        lambda: wrong.get(Ref("1")),
        lambda: wrong.destroy(Ref("1")),
    ]
    try:
        for call in calls:
            with pytest.raises(KeyBad, match=r"auth_error|Invalid user key") as refused:
                await call()
            assert "not-mine" not in str(refused.value)
    finally:
        await wrong.close()


async def test_without_a_key_nothing_is_sent(own_home: Path) -> None:
    with pytest.raises(KeyMissing, match="VAST_API_KEY"):
        await Vast(address="http://127.0.0.1:1").offers(Need())


@pytest.mark.parametrize(
    ("how", "kind", "words"),
    [
        ("no-permission", KeyForbidden, "does not allow this.*instance_write"),
        ("unfunded", KeyUnfunded, "no money.*Add credit"),
        ("own-machine", Refused, "invalid_args"),
        ("no-key-for-vm", Refused, "no_ssh_key_for_vm"),
        ("text", Refused, "asked too often"),
        ("threshold", Refused, "asked too often"),
        ("detail", Refused, "asked too often"),
        ("json", Refused, "rate_limit_exceeded"),
        ("html", Unclear, "no JSON"),
        ("moved", Unclear, "307"),
    ],
)
@in_account
async def test_each_no_to_an_order_is_what_it_is(there: There, how: str, kind: type[CloudError], words: str) -> None:
    there.refuse("create", how)
    with pytest.raises(kind, match=words):
        await there.order()
    assert len(there.calls("create")) == 1
    assert await there.vast.list() == []


@in_account
async def test_an_account_without_credit_has_no_money(there: There) -> None:
    there.control("credit", dollars=0)
    try:
        with pytest.raises(KeyUnfunded, match="no money"):
            await there.order()
        assert (await there.vast.check()).balance == Money()
    finally:
        there.control("credit", dollars=25)


async def test_a_key_that_was_refused_is_looked_for_anew(
    cloud: SimulatedCloud, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vast = Vast(address=str(cloud.api["address"]))
    try:
        monkeypatch.setenv("VAST_API_KEY", "an-old-one")
        with pytest.raises(KeyBad):
            await vast.check()
        monkeypatch.setenv("VAST_API_KEY", cloud.another_key())
        assert (await vast.check()).balance == Money.parse("25")
    finally:
        await vast.close()


# offers that are gone ------------------------------------------------------------------------------------------------


@in_account
async def test_an_offer_that_was_never_there_or_is_gone_is_no_capacity(there: There) -> None:
    offer = await there.offer()
    with pytest.raises(NoCapacity, match="404/3603"):
        await there.order(offer=replace(offer, offer_id="1"))
    await there.order(offer=offer)
    assert offer.offer_id not in {each.offer_id for each in await there.vast.offers(Need())}
    with pytest.raises(NoCapacity, match="410/3907"):
        await there.order("gpu-bridge-abcdefgh-000000000001", offer)
    assert len(await there.vast.list()) == 1


@in_account
async def test_an_offer_that_is_taken_as_we_rent_it_leaves_nothing(there: There) -> None:
    there.cloud.fault("no-capacity", calls=1)
    with pytest.raises(NoCapacity):
        await there.order()
    assert await there.vast.list() == []


# what is left behind -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 402, 403, 404, 410])
@in_account
async def test_an_order_that_failed_and_left_an_instance_is_an_instance_that_never_began(
    there: There, status: int
) -> None:
    there.switch(create_fails=[status])
    ref = await there.order()
    seen = await there.vast.get(ref)
    assert seen is not None
    assert (seen.state, seen.is_billed, seen.name) == (SeenState.STOPPED, True, NAME)
    await there.vast.destroy(ref)
    assert await there.vast.list() == []


@in_account
async def test_a_bid_that_is_too_low_leaves_an_instance_that_never_began(there: There) -> None:
    offers = await there.vast.offers(Need(allows_spot=True))
    spot = min((each for each in offers if each.is_spot), key=lambda each: each.price)
    ref = await there.order(offer=_bidding(spot, "0.01"))
    seen = await there.vast.get(ref)
    assert seen is not None
    assert seen.state is SeenState.STOPPED


@in_account
async def test_a_bid_without_sense_is_refused(there: There) -> None:
    spot = next(each for each in await there.vast.offers(Need(allows_spot=True)) if each.is_spot)
    with pytest.raises(Refused, match="invalid_price"):
        await there.order(offer=_bidding(spot, "500"))


@in_account
async def test_what_cannot_be_ordered_is_refused(there: There) -> None:
    plan = there.cloud.plan(await there.offer(), NAME)
    with pytest.raises(Refused, match="invalid_args"):
        await there.vast.create(replace(plan, image="x" * 1025))
    with pytest.raises(Refused, match="too long"):  # nothing is sent
        await there.vast.create(replace(plan, start_script=_incompressible(60_000)))
    assert len(there.calls("create")) == 1


# too much ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["text", "threshold", "detail", "json"])
@in_account
async def test_a_destroy_that_is_too_early_is_repeated(there: There, how: str) -> None:
    ref = await there.order()
    there.refuse("destroy", how, calls=2)
    await there.vast.destroy(ref)
    assert await there.vast.get(ref) is None


@pytest.mark.parametrize("how", ["text", "json"])
@in_account
async def test_looking_too_often_is_repeated_and_says_nothing_about_machines(there: There, how: str) -> None:
    ref = await there.order()
    for verb, look in (("get", lambda: there.vast.get(ref)), ("list", there.vast.list)):
        there.refuse(verb, how, calls=1)
        assert await look()
        there.refuse(verb, how, calls=9)
        with pytest.raises(Unclear):
            await look()
        there.control("mend")


@in_account
async def test_a_search_quota_that_is_used_up_is_said_and_not_asked_again(there: There) -> None:
    there.refuse("offers", "quota", calls=9)
    for _ in range(_THRESHOLD + 1):
        with pytest.raises(Unclear, match="until midnight UTC"):
            await there.vast.offers(Need())
    assert len(_refused(there)) == _THRESHOLD + 1
    assert await there.vast.list() == []  # only searches are too many: nothing else waits


@pytest.mark.parametrize("how", ["text", "threshold", "detail", "json"])
@in_account
async def test_a_search_that_comes_too_early_is_repeated_and_then_a_failure(there: There, how: str) -> None:
    there.refuse("offers", how, calls=2)
    assert await there.vast.offers(Need())
    assert len(_refused(there)) == 2
    there.refuse("offers", how, calls=99)
    with pytest.raises(Unclear, match="429"):
        await there.vast.offers(Need())
    assert len(_refused(there)) > 3
    assert gates().conduct("vast").breakers[Kind.READ].failures == 1


async def test_a_search_comes_again_when_it_is_told_to() -> None:
    too_much = Answer(429, raw=b"API requests too frequent", headers={"Retry-After": "2"})
    async with scripted(too_much, Answer(200, {"offers": []})) as script:
        vast = Vast(key="k", address=script.address)
        began = time.monotonic()
        assert await vast.offers(Need()) == []
        assert time.monotonic() - began >= 1.9
        await vast.close()


@pytest.mark.parametrize("how", ["text", "quota"])
@in_account
async def test_while_it_answers_no_search_what_was_found_before_is_shown_with_its_age(there: There, how: str) -> None:
    cache = AdaptiveCache[Sequence[Offer]](lambda: CacheRules(first=0, least=0, most=0))
    offers = RememberedOffers(cache)

    async def look() -> Kept[Sequence[Offer]]:
        return await offers.get("vast", Need(), lambda: there.vast.offers(Need()))

    found = await look()
    there.refuse("offers", how, calls=99)
    again = await look()
    assert (again.value, again.is_stale) == (found.value, True)
    assert again.age > 0


_THRESHOLD = 5
"""Failures that open a breaker."""


def _refused(there: There) -> list[dict[str, Any]]:
    return [each for each in there.calls("offers") if each["outcome"] == 429]


def _bidding(spot: Offer, bid: str) -> Offer:
    return replace(spot, offer_id=f"{spot.offer_id.partition('@')[0]}@{bid}")


def _incompressible(length: int) -> str:
    import random

    chooser = random.Random(1)
    return "".join(chr(chooser.randrange(33, 126)) for _ in range(length))


# paces ---------------------------------------------------------------------------------------------------------------


async def test_it_is_asked_no_faster_than_it_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it counts, it refuses whoever comes too early."""
    with SimulatedCloud("vast", stock=4, rate=1) as cloud:
        assert isinstance(cloud, SimulatedCloud)
        async with account(cloud) as there:
            ref = await there.order()
            monkeypatch.setenv("PROVIDER_RATE_LIMITER_ENABLED", "true")
            there.switch(paced=True)
            before = len(there.calls("get")), len(there.calls("list"))
            for _ in range(2):
                assert await there.vast.get(ref) is not None
                assert await there.vast.list()
            assert (len(there.calls("get")), len(there.calls("list"))) == (before[0] + 2, before[1] + 2)
            there.switch(paced=False)
            monkeypatch.setenv("PROVIDER_RATE_LIMITER_ENABLED", "false")
