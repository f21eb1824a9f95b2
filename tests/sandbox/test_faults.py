"""Every switch, seen from who rents: what is answered, what is really there, and what it costs."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from jupyter_gpu_bridge.errors import KeyRefused, NoCapacity, Unclear
from jupyter_gpu_bridge.model import Need, SeenState
from tests.sandbox.cloud import SandboxCloud, account, is_open, key_of, order, rent, running, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60), pytest.mark.needs("ssh", "ssh-keygen")]


def _creates(cloud: SandboxCloud, name: str) -> int:
    """How often it was asked for."""
    return sum(1 for each in cloud.log() if each["name"] == name and each["verb"] == "create")


@pytest.mark.parametrize("fault", ["answer-lost", "error-after", "garbage"])
async def test_a_machine_that_was_created_without_a_clear_answer_is_in_the_listing(
    cloud: SandboxCloud, fault: str
) -> None:
    async with account(cloud) as provider:
        name = f"gpu-bridge-{fault}"
        cloud.fault(fault, calls=1)
        with pytest.raises(Unclear):
            await order(cloud, provider, name)
        assert [seen.name for seen in await provider.list()] == [name]
        assert _creates(cloud, name) == 1


async def test_an_error_before_anything_is_done_leaves_nothing(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        cloud.fault("error-before", calls=1)
        with pytest.raises(Unclear, match="500"):
            await order(cloud, provider, "gpu-bridge-broken")
        assert await provider.list() == []
        assert _creates(cloud, "gpu-bridge-broken") == 1
        await order(cloud, provider, "gpu-bridge-broken")


async def test_an_answer_may_come_late(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        cloud.fault("slow-answer", calls=1, value=300)
        ordering = asyncio.ensure_future(order(cloud, provider, "gpu-bridge-late"))
        await until(lambda: any(each["name"] == "gpu-bridge-late" for each in cloud.machines()))
        assert not ordering.done()
        assert [seen.name for seen in await provider.list()] == ["gpu-bridge-late"]
        await asyncio.to_thread(cloud.advance, 300)
        assert await provider.get(await ordering) is not None


async def test_a_new_machine_may_be_nowhere_for_a_while(cloud: SandboxCloud) -> None:
    """Not in the listing, not by its id; and a destroy says that it is not there, which it is."""
    async with account(cloud) as provider:
        cloud.fault("listing-lag", calls=1, value=90)
        ref = await order(cloud, provider, "gpu-bridge-hidden")
        await provider.destroy(ref)
        assert await provider.list() == []
        assert await provider.get(ref) is None
        cloud.advance(89)
        assert await provider.list() == []
        cloud.advance(1)
        assert [seen.ref for seen in await provider.list()] == [ref]
        assert await provider.get(ref) is not None


async def test_a_new_machine_may_be_listed_and_404(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        cloud.fault("get-lag", calls=1, value=30)
        ref = await order(cloud, provider, "gpu-bridge-unread")
        assert [seen.ref for seen in await provider.list()] == [ref]
        assert await provider.get(ref) is None
        cloud.advance(30)
        assert await provider.get(ref) is not None


async def test_a_machine_may_never_boot_and_is_billed(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        cloud.fault("never-boots", calls=1)
        ref = await order(cloud, provider, "gpu-bridge-never")
        cloud.advance(7200)
        seen = await provider.get(ref)
        assert seen is not None
        assert (seen.state, seen.is_billed, seen.address) == (SeenState.BOOTING, True, "")
        assert Decimal(cloud.truth(ref)["billed"]) > 0


async def test_a_machine_may_boot_slowly(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        cloud.fault("slow-boot", machine="gpu-bridge-slow", value=500)
        ref = await order(cloud, provider, "gpu-bridge-slow")
        other = await order(cloud, provider, "gpu-bridge-quick")
        await running(provider, other)
        cloud.advance(499)
        seen = await provider.get(ref)
        assert seen is not None
        assert seen.state is SeenState.BOOTING
        cloud.advance(1)
        await running(provider, ref)


async def test_ssh_may_never_come(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        cloud.fault("no-ssh", calls=1)
        ref = await order(cloud, provider, "gpu-bridge-shut", "touch booted")
        seen = await running(provider, ref)
        home = Path(cloud.truth(ref)["folder"]) / "disk" / "home"
        await until((home / "booted").exists)
        assert seen.state is SeenState.RUNNING
        assert not is_open(seen)


async def test_a_machine_is_reclaimed_after_a_notice(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        box = await rent(cloud, provider)
        cloud.control("POST", f"machines/{box.ref}/reclaim", {"notice": 30})
        seen = await provider.get(box.ref)
        assert seen is not None
        assert seen.reclaim_at is not None
        assert seen.reclaim_at.timestamp() == pytest.approx(cloud.clock() + 30, abs=0.001)
        assert is_open(box.seen)
        cloud.advance(30)
        assert await provider.get(box.ref) is None
        assert not is_open(box.seen)
        assert cloud.truth(box.ref)["end_reason"] == "reclaimed"


async def test_a_machine_is_reclaimed_without_a_notice(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        box = await rent(cloud, provider)
        cloud.control("POST", f"machines/{box.ref}/reclaim", {"notice": 0})
        assert await provider.get(box.ref) is None
        assert not box.folder.exists()


async def test_the_cloud_may_be_down_for_everything(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        cloud.fault("api-down", calls=4)
        with pytest.raises(Unclear, match="503"):
            await provider.list()
        cloud.fault("api-down", seconds=3600)
        with pytest.raises(Unclear, match="503"):
            await order(cloud, provider, "gpu-bridge-down")
        cloud.advance(3600)
        assert await provider.list() == []


async def test_the_cloud_may_be_down_for_destroys_only(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        box = await rent(cloud, provider)
        cloud.fault("api-down", verb="destroy", seconds=3600)
        with pytest.raises(Unclear, match="503"):
            await provider.destroy(box.ref)
        assert await provider.get(box.ref) is not None
        assert is_open(box.seen)
        cloud.advance(3600)
        await provider.destroy(box.ref)
        assert await provider.get(box.ref) is None


async def test_a_key_may_be_revoked_and_the_machines_own_goes_on(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        box = await rent(cloud, provider)
        cloud.fault("key-revoked")
        for call in (provider.check(), provider.list(), provider.get(box.ref), provider.destroy(box.ref)):
            with pytest.raises(KeyRefused):
                await call
        with pytest.raises(KeyRefused):
            await order(cloud, provider, "gpu-bridge-refused")
        own = box.own_key
        assert cloud.ask("DELETE", f"/v1/machines/{box.ref}", key=own)[0] == 200
        cloud.mend()
        assert await provider.get(box.ref) is None


async def test_an_account_may_be_given_a_fresh_key(cloud: SandboxCloud) -> None:
    made = cloud.control("POST", "accounts", {})
    before = cloud.provider(account_key=made["account_key"])
    fingerprint = (await before.check()).fingerprint
    changed = cloud.control("POST", f"accounts/{made['account']}/key", {})
    with pytest.raises(KeyRefused):
        await before.check()
    after = cloud.provider(account_key=changed["account_key"])
    assert (await after.check()).fingerprint == fingerprint
    await before.close()
    await after.close()


async def test_a_machine_may_come_back_from_the_dead(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        box = await rent(cloud, provider)
        await provider.destroy(box.ref)
        assert await provider.list() == []
        cloud.control("POST", f"machines/{box.ref}/resurrect")
        (seen,) = await provider.list()
        assert (seen.ref, seen.is_billed) == (box.ref, True)
        await running(provider, box.ref)
        await provider.destroy(box.ref)
        assert await provider.get(box.ref) is None


async def test_a_machine_may_be_billed_twice_over(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        offer = (await provider.offers(Need()))[0]
        cloud.fault("double-billing", calls=1)
        created = await provider.create(cloud.plan(offer, "gpu-bridge-dear"))
        cloud.advance(3600)
        seen = await provider.get(created.ref)
        assert seen is not None
        assert seen.price == offer.price * 2
        (line,) = cloud.ask("GET", "/v1/billing", key=key_of(provider))[1]["machines"]
        assert Decimal(line["amount"]) == Decimal(offer.price.micros * 2) / 1_000_000


async def test_there_may_be_no_capacity(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        cloud.fault("no-capacity", calls=1)
        with pytest.raises(NoCapacity, match="taken"):
            await order(cloud, provider, "gpu-bridge-late")
        assert await provider.list() == []
        await order(cloud, provider, "gpu-bridge-late")


async def test_the_price_may_change_as_the_order_arrives(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        offer = (await provider.offers(Need()))[0]
        cloud.fault("price-changed", calls=1)
        with pytest.raises(NoCapacity, match="costs"):
            await provider.create(cloud.plan(offer, "gpu-bridge-dearer"))
        (now,) = [each for each in await provider.offers(Need()) if each.offer_id == offer.offer_id]
        assert now.price > offer.price
        await provider.create(cloud.plan(now, "gpu-bridge-dearer"))


async def test_a_machine_may_be_unable_to_reach_the_cloud(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        box = await rent(cloud, provider)
        cloud.fault("egress-blocked", machine=str(box.ref))
        own = box.own_key
        with pytest.raises(ConnectionError):
            cloud.ask("DELETE", f"/v1/machines/{box.ref}", key=own)
        assert await provider.get(box.ref) is not None
        cloud.mend()
        assert cloud.ask("DELETE", f"/v1/machines/{box.ref}", key=own)[0] == 200
        assert await provider.get(box.ref) is None


async def test_a_destroy_may_take_its_time_and_cost_it(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        box = await rent(cloud, provider)
        cloud.fault("slow-destroy", calls=1, value=120)
        await provider.destroy(box.ref)
        seen = await provider.get(box.ref)
        assert seen is not None
        assert (seen.state, seen.is_billed) == (SeenState.ENDING, True)
        await provider.destroy(box.ref)
        cloud.advance(119)
        assert await provider.get(box.ref) is not None
        cloud.advance(1)
        assert await provider.get(box.ref) is None
        truth = cloud.truth(box.ref)
        assert truth["ended"] - truth["created"] == 120


async def test_a_fault_ends_after_its_calls_and_after_its_time(cloud: SandboxCloud) -> None:
    async with account(cloud) as provider:
        cloud.fault("no-capacity", calls=2)
        for _ in range(2):
            with pytest.raises(NoCapacity):
                await order(cloud, provider, "gpu-bridge-none")
        await order(cloud, provider, "gpu-bridge-one")
        cloud.fault("no-capacity", seconds=10)
        with pytest.raises(NoCapacity):
            await order(cloud, provider, "gpu-bridge-none")
        cloud.advance(10)
        await order(cloud, provider, "gpu-bridge-two")


def test_a_fault_that_makes_no_sense_is_refused(cloud: SandboxCloud) -> None:
    key = cloud.api["control_key"]
    for nonsense in ({"kind": "plague"}, {"kind": "no-ssh", "calls": -1}, {"kind": "no-ssh", "when": "now"}, {}):
        status, said = cloud.ask("POST", "/control/faults", nonsense, key=key)
        assert status == 422
        assert said["error"]["message"]


def test_only_the_control_key_controls(cloud: SandboxCloud) -> None:
    for key in (cloud.api["account_key"], "", "ck-guessed"):
        assert cloud.ask("GET", "/control/log", key=key)[0] == 401
