"""What the cloud does when nothing goes wrong."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from jupyter_gpu_bridge.errors import KeyRefused, NoCapacity, Refused
from jupyter_gpu_bridge.market.conditions import lacks
from jupyter_gpu_bridge.model import Money, Need, Ref, SeenState, SelfRemovalCall
from jupyter_gpu_bridge.providers.sandbox import TITLE
from tests.sandbox.cloud import SandboxCloud, account, is_open, key_of, order, rent, running, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60), pytest.mark.needs("ssh", "ssh-keygen")]


async def test_an_account_has_a_fingerprint_that_is_not_its_key(cloud: SandboxCloud) -> None:
    async with account(cloud) as one, account(cloud) as other:
        found, again, another = await one.check(), await one.check(), await other.check()
        assert found.balance == Money.parse("1000")
        assert found.fingerprint == again.fingerprint != another.fingerprint
        assert key_of(one) not in repr(found) + repr(one)


async def test_a_key_that_nobody_gave_out_is_refused(cloud: SandboxCloud) -> None:
    provider = cloud.provider(account_key="sk-sandbox-guessed")
    with pytest.raises(KeyRefused) as caught:
        await provider.check()
    await provider.close()
    assert "guessed" not in str(caught.value)


async def test_everything_that_is_offered_is_marked_as_pretence(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        offers = await provider.offers(Need(allows_spot=True))
        assert len(offers) == 12
        assert all(offer.is_pretend and offer.gpu.startswith("Pretend ") and offer.host for offer in offers)
        assert {offer.is_spot for offer in offers} == {True, False}
        assert len({offer.region for offer in offers}) > 1
        assert provider.traits.is_pretend
        assert provider.traits.title == TITLE
        assert [type(step) for step in provider.traits.removal] == [SelfRemovalCall]


async def test_what_does_not_fit_is_shown_as_well_so_that_it_can_be_said_why(cloud: SandboxCloud) -> None:
    need = Need(gpus=("pretend a100 80 gb",), max_price=Money.parse("1.50"))
    async with account(cloud) as provider:
        offers = await provider.offers(need)
        fitting = [offer for offer in offers if not lacks(need, offer)]
        assert {offer.gpu for offer in fitting} == {"Pretend A100 80 GB"}
        assert all(offer.price <= Money.parse("1.50") and not offer.is_spot for offer in fitting)
        others = [offer for offer in offers if lacks(need, offer)]
        assert any("GPU pretend a100 80 gb" in lacks(need, offer) for offer in others)


async def test_prices_move_as_time_goes_by(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        before = {offer.offer_id: offer.price for offer in await provider.offers(Need(allows_spot=True))}
        cloud.advance(3600)
        after = {offer.offer_id: offer.price for offer in await provider.offers(Need(allows_spot=True))}
        assert before != after
        assert before.keys() == after.keys()


async def test_another_price_than_the_present_one_is_not_taken(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        offer = (await provider.offers(Need()))[0]
        with pytest.raises(NoCapacity, match=f"costs 0.{offer.price.micros:06d}"):
            await provider.create(cloud.plan(replace(offer, price=offer.price + Money(1)), "gpu-bridge-stale"))
        assert await provider.list() == []


async def test_a_machine_is_created_found_and_destroyed(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        box = await rent(cloud, provider, "gpu-bridge-life")
        assert (box.seen.name, box.seen.state, box.seen.is_billed) == ("gpu-bridge-life", SeenState.RUNNING, True)
        assert [each.ref for each in await provider.list()] == [box.ref]
        assert box.home.is_dir()
        await provider.destroy(box.ref)
        assert await provider.get(box.ref) is None
        assert await provider.list() == []
        assert not box.folder.exists()
        assert not is_open(box.seen)
        await provider.destroy(box.ref)


async def test_one_that_never_was_is_not_there(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        assert await provider.get(Ref("m-nothing")) is None
        await provider.destroy(Ref("m-nothing"))


async def test_an_order_that_makes_no_sense_is_refused(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        with pytest.raises(Refused, match="name"):
            await order(cloud, provider, "No Such Name")
        assert await provider.list() == []


async def test_machines_that_do_not_bear_our_prefix_are_not_listed(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        ref = await order(cloud, provider, "somebody-else")
        assert await provider.list() == []
        assert await provider.get(ref) is not None
        await provider.destroy(ref)


async def test_two_accounts_do_not_see_each_other(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider, account(cloud) as other:
        ref = await order(cloud, provider, "gpu-bridge-mine")
        assert await other.list() == []
        assert await other.get(ref) is None
        await other.destroy(ref)
        assert await provider.get(ref) is not None


async def test_billing_is_exact_and_counts_stopped_time_at_the_price_of_the_disk(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        box = await rent(cloud, provider)
        cloud.advance(1000)
        assert box.ask("POST", "/stop")[0] == 200
        cloud.advance(3600)
        stopped = await provider.get(box.ref)
        assert stopped is not None
        assert (stopped.state, stopped.is_billed, stopped.price) == (SeenState.STOPPED, True, Money.parse("0.012"))
        assert box.ask("POST", "/start")[0] == 200
        cloud.advance(500)
        await provider.destroy(box.ref)
        cloud.advance(7777)
        _, billing = cloud.ask("GET", "/v1/billing", key=key_of(provider))
        (line,) = billing["machines"]
        assert box.seen.price is not None
        price = Decimal(box.seen.price.micros) / 1_000_000
        assert Decimal(line["amount"]) == (price * 1500 / 3600 + Decimal("0.012")).quantize(Decimal("0.000000001"))
        assert (line["seconds"], line["is_billed"]) == (5100, False)


async def test_what_is_on_the_disk_survives_a_stop(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        box = await rent(cloud, provider)
        (box.home / "kept").write_text("here")
        assert box.ask("POST", "/stop")[0] == 200
        assert not is_open(box.seen)
        assert box.ask("POST", "/start")[0] == 200
        again = await running(provider, box.ref)
        await until(lambda: is_open(again))
        assert again.port == box.seen.port
        assert (box.home / "kept").read_text() == "here"


async def test_a_limit_ends_the_machine_and_its_bill(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        ref = await order(cloud, provider, "gpu-bridge-limited", limit=timedelta(seconds=100))
        await running(provider, ref)
        cloud.advance(99)
        assert await provider.get(ref) is not None
        cloud.advance(500)
        assert await provider.get(ref) is None
        truth = cloud.truth(ref)
        assert (truth["end_reason"], truth["ended"] - truth["created"]) == ("limit", 100)


async def test_a_cloud_can_pretend_that_it_takes_no_limits(cloud: SandboxCloud) -> None:
    provider = cloud.provider(limits_at_create=False)
    assert not provider.traits.limits_at_create
    ref = await order(cloud, provider, "gpu-bridge-unlimited", limit=timedelta(seconds=100))
    cloud.advance(10_000)
    assert await provider.get(ref) is not None
    await provider.destroy(ref)
    await provider.close()


async def test_a_machine_boots_after_so_much_virtual_time() -> None:
    with SandboxCloud(boot_seconds=45) as cloud:
        async with account(cloud) as provider:
            ref = await order(cloud, provider, "gpu-bridge-slow")
            cloud.advance(44)
            seen = await provider.get(ref)
            assert seen is not None
            assert (seen.state, seen.address, seen.is_billed) == (SeenState.BOOTING, "", True)
            cloud.advance(1)
            assert (await running(provider, ref)).state is SeenState.RUNNING


async def test_many_machines_at_once(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        boxes = await asyncio.gather(*(rent(cloud, provider, f"gpu-bridge-many-{n}") for n in range(4)))
        assert len({box.seen.port for box in boxes}) == 4
        await asyncio.gather(*(provider.destroy(box.ref) for box in boxes))
        assert not any(is_open(box.seen) for box in boxes)


async def test_the_log_says_what_was_asked_and_by_what_kind_of_key(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        await provider.destroy(await order(cloud, provider, "gpu-bridge-logged"))
        entries = [each for each in cloud.log() if each["name"] == "gpu-bridge-logged"]
        assert [(each["method"], each["verb"], each["key"], each["outcome"]) for each in entries] == [
            ("POST", "create", "account", 201),
            ("DELETE", "destroy", "account", 200),
        ]
        assert key_of(provider) not in str(cloud.log())
