"""Each verb of the adapter, asked of the simulated cloud."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from jupyter_gpu_bridge.errors import NoCapacity, NothingFits, OrderRefused
from jupyter_gpu_bridge.market.search import search
from jupyter_gpu_bridge.model import Money, Need, Provider, Ref, SeenState
from jupyter_gpu_bridge.providers.clouds import Clouds, clouds_set_up
from jupyter_gpu_bridge.providers.lambda_cloud import LambdaCloud
from tests.machine.carriers.talk import output_of
from tests.providers.lambda_cloud.world import NAME, Lambda, account, active, launched, offer, planned
from tests.sandbox.cloud import until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(90)]


def test_it_is_a_provider_and_promises_only_what_the_cloud_does() -> None:
    provider: Provider = LambdaCloud(key="none")
    traits = provider.traits
    assert provider.name == "lambda"
    assert (traits.removal, traits.limits_at_create, traits.has_spot, traits.bills_stopped) == ((), False, False, True)
    assert "cannot end this machine by itself" in traits.gaps()


def test_it_is_set_up_only_where_there_is_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LAMBDA_API_KEY", "LAMBDA_CLOUD_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    assert "lambda" not in clouds_set_up()
    monkeypatch.setenv("LAMBDA_API_KEY", " ")
    assert "lambda" not in clouds_set_up()
    monkeypatch.setenv("LAMBDA_CLOUD_API_TOKEN", "secret")
    assert "lambda" in clouds_set_up()


async def test_who_has_no_key_and_names_no_provider_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LAMBDA_API_KEY", "LAMBDA_CLOUD_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(NothingFits) as caught:
        await search(Need(), Clouds())
    assert "lambda" not in str(caught.value)
    with pytest.raises(NothingFits, match="key"):
        await search(Need(providers=("lambda",)), Clouds())


async def test_key_and_address_are_those_of_the_environment(cloud: Lambda, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)
    provider = LambdaCloud()
    assert (await provider.check()).balance is None
    await provider.close()


async def test_accounts_are_told_apart_and_no_key_is_given_away(cloud: Lambda) -> None:
    async with account(cloud) as (adapter, key):
        other = cloud.adapter()
        mine, theirs = await adapter.check(), await other.check()
        await other.close()
        assert mine.fingerprint != theirs.fingerprint
        assert mine.fingerprint == (await adapter.check()).fingerprint
        assert key not in repr(mine)


async def test_an_offer_says_all_that_the_cloud_tells(cloud: Lambda) -> None:
    async with account(cloud) as (adapter, _):
        offers = {each.offer_id: each for each in await adapter.offers(Need())}
        eight = offers["gpu_8x_h100_sxm5@europe-central-1"]
        assert (eight.gpu, eight.gpu_count, eight.gpu_memory_mib) == ("H100 SXM", 8, 81920)
        assert (eight.price, eight.region) == (Money(31_920_000), "europe-central-1")  # of all eight
        assert (eight.cpus, eight.memory_mib, eight.disk_gib) == (208, 1800 << 10, 22528)
        assert eight.sold_as == "H100 (80 GB SXM5)"
        assert not eight.is_spot
        assert {each.region for each in offers.values() if each.offer_id.startswith("gpu_1x_a10@")} == {
            "us-east-1",
            "us-west-1",
        }


async def test_what_is_sold_out_is_no_offer_and_a_machine_without_gpu_is_one_without(cloud: Lambda) -> None:
    async with account(cloud) as (adapter, _):
        offers = await adapter.offers(Need())
        assert not [each for each in offers if each.offer_id.startswith("gpu_8x_v100")]
        (plain,) = [each for each in offers if each.offer_id.startswith("cpu_4x_general")]
        assert (plain.gpu, plain.gpu_count, plain.gpu_memory_mib, plain.cpus) == ("", 0, 0, 4)


async def test_a_machine_goes_through_all_its_states(cloud: Lambda) -> None:
    async with account(cloud) as (adapter, key):
        cloud.turn(settles=30, terminating=20, readable=60)
        ref = await launched(cloud, adapter)
        seen = await adapter.get(ref)
        assert seen is not None
        assert (seen.name, seen.state, seen.is_billed, seen.price) == (NAME, SeenState.BOOTING, True, Money(1_290_000))
        while not seen.address:  # it has one before it is active
            await asyncio.sleep(0.02)
            seen = await adapter.get(ref)
            assert seen is not None
        assert seen.state is SeenState.BOOTING
        cloud.advance(30)
        seen = await active(adapter, ref)
        assert (seen.address, seen.user) == ("127.0.0.1", "ubuntu")
        assert seen.port > 1024
        await adapter.destroy(ref)
        ending = await adapter.get(ref)
        assert ending is not None
        assert (ending.state, ending.is_billed) == (SeenState.ENDING, True)
        assert [each.ref for each in await adapter.list()] == [ref]
        await adapter.destroy(ref)  # twice is as once
        cloud.advance(20)
        await until(lambda: cloud.truth(ref)["ended"] is not None)
        assert await adapter.list() == []
        status, said = cloud.ask("GET", f"/api/v1/instances/{ref}", key=key)
        assert (status, said["data"]["status"]) == (200, "terminated")
        assert await adapter.get(ref) is None
        await adapter.destroy(ref)
        cloud.advance(60)
        assert await adapter.get(ref) is None
        await adapter.destroy(ref)


async def test_it_is_entered_with_our_key_at_the_host_key_that_we_gave_it(cloud: Lambda) -> None:
    async with account(cloud) as (adapter, _):
        ref = await launched(cloud, adapter)
        seen = await active(adapter, ref)
        assert await output_of(cloud.dialer(seen), "echo $USER") == "ubuntu\n"


async def test_what_is_not_ours_is_not_listed(cloud: Lambda) -> None:
    async with account(cloud) as (adapter, key):
        cloud.ask("POST", "/api/v1/ssh-keys", {"name": "laptop", "public_key": "ssh-ed25519 AAAA"}, key=key)
        order = {"region_name": "us-east-1", "instance_type_name": "gpu_1x_a10", "ssh_key_names": ["laptop"]}
        for more in ({}, {"name": "somebody"}):
            assert cloud.ask("POST", "/api/v1/instance-operations/launch", {**order, **more}, key=key)[0] == 200
        ref = await launched(cloud, adapter)
        assert [each.ref for each in await adapter.list()] == [ref]
        for each in cloud.ask("GET", "/api/v1/instances", key=key)[1]["data"]:
            await adapter.destroy(Ref(each["id"]))


async def test_a_machine_that_was_never_there_is_none(cloud: Lambda) -> None:
    async with account(cloud) as (adapter, _):
        nobody = Ref("0" * 32)
        assert await adapter.get(nobody) is None
        await adapter.destroy(nobody)


async def test_an_image_is_named_by_id_or_by_family(cloud: Lambda) -> None:
    async with account(cloud) as (adapter, _):
        plan = await planned(cloud, adapter)
        for number, image in enumerate(("lambda-stack-24-04", "3f9d3a52-6a0e-4f8e-9f2c-0f6b7c1d2e01")):
            await adapter.create(replace(plan, name=f"{NAME[:-1]}{number}", image=image))


@pytest.mark.parametrize("image", ["no-such-image", "00000000-6a0e-4f8e-9f2c-0f6b7c1d2e01"])
async def test_an_image_that_there_is_nowhere_is_the_fault_of_the_order(cloud: Lambda, image: str) -> None:
    """Nothing is registered or launched for it, and those that there are are named."""
    async with account(cloud) as (adapter, _):
        plan = await planned(cloud, adapter)
        before = len(cloud.log())
        with pytest.raises(OrderRefused, match=rf"no image '{image}'.*gpu-base-22-04, lambda-stack-22-04"):
            await adapter.create(replace(plan, image=image))
        assert {each["verb"] for each in cloud.log()[before:]} == {"offers", "images"}


async def test_an_offer_of_another_kind_is_not_to_be_had(cloud: Lambda) -> None:
    async with account(cloud) as (adapter, _):
        plan = await planned(cloud, adapter)
        for strange in ("gpu_1x_a10", "@us-east-1", "gpu_9x_a10@us-east-1"):
            with pytest.raises(NoCapacity):
                await adapter.create(replace(plan, offer=replace(await offer(adapter), offer_id=strange)))
