"""What the cloud is known to do to its clients, one after the other."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from jupyter_gpu_bridge.errors import NoCapacity, Refused, Unclear
from jupyter_gpu_bridge.model import Money, Need, SeenState
from tests.providers.lambda_cloud.world import TYPE, Lambda, account, active, launched, planned
from tests.sandbox.cloud import until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(90)]


async def test_what_is_listed_may_be_refused_all_the_same(cloud: Lambda) -> None:
    async with account(cloud) as (adapter, key):
        plan = await planned(cloud, adapter)
        cloud.fault("no-capacity", calls=1)
        with pytest.raises(NoCapacity, match="Not enough capacity"):
            await adapter.create(plan)
        assert cloud.ssh_keys(key) == []


async def test_capacity_moves_from_region_to_region(cloud: Lambda) -> None:
    async with account(cloud) as (adapter, _):
        plan = await planned(cloud, adapter)
        cloud.turn(capacity={TYPE: ["asia-northeast-1"]})
        assert [each.region for each in await adapter.offers(Need()) if each.offer_id.startswith(f"{TYPE}@")] == [
            "asia-northeast-1"
        ]
        with pytest.raises(NoCapacity):
            await adapter.create(plan)


async def test_a_price_that_has_risen_since_is_not_paid(cloud: Lambda) -> None:
    async with account(cloud) as (adapter, key):
        plan = await planned(cloud, adapter)
        cloud.turn(cents={TYPE: 130})
        with pytest.raises(NoCapacity, match=r"\$1\.30 per hour now, and not \$1\.29"):
            await adapter.create(plan)
        assert (cloud.ssh_keys(key), await adapter.list()) == ([], [])
        cloud.turn(cents={TYPE: 128})
        await adapter.create(plan)


async def test_a_price_that_rises_in_the_very_moment_is_seen() -> None:
    cloud = Lambda()  # where it stays so
    with cloud:
        adapter = cloud.adapter()
        cloud.fault("price-changed", calls=1)
        seen = await adapter.get(await launched(cloud, adapter))
        assert seen is not None
        assert seen.price is not None
        assert seen.price > Money(1_290_000)
        await adapter.close()


async def test_one_that_boots_unhealthy_has_failed_and_is_billed(cloud: Lambda) -> None:
    async with account(cloud) as (adapter, _):
        cloud.turn(boots_unhealthy=1)
        ref = await launched(cloud, adapter)
        await until(lambda: cloud.truth(ref)["port"])
        seen = await adapter.get(ref)
        assert seen is not None
        assert (seen.state, seen.is_billed, seen.detail) == (SeenState.FAILED, True, "Lambda calls it unhealthy")


async def test_one_that_switches_itself_off_is_unhealthy_and_costs_what_it_cost(cloud: Lambda) -> None:
    async with account(cloud) as (adapter, _):
        ref = await launched(cloud, adapter, script="(sleep 0.2; poweroff) &\n")
        await until(lambda: cloud.truth(ref)["status"] == "off")
        seen = await adapter.get(ref)
        assert seen is not None
        assert (seen.state, seen.is_billed, seen.price) == (SeenState.FAILED, True, Money(1_290_000))
        before = float(cloud.truth(ref)["billed"])
        cloud.advance(3600)
        assert float(cloud.truth(ref)["billed"]) - before == pytest.approx(1.29, abs=0.01)
        await adapter.destroy(ref)


async def test_one_that_is_active_may_not_be_entered_yet(cloud: Lambda) -> None:
    async with account(cloud) as (adapter, _):
        cloud.turn(late_sshd=1)
        ref = await launched(cloud, adapter)
        await until(lambda: cloud.truth(ref)["port"])
        seen = await adapter.get(ref)
        assert seen is not None
        assert (seen.state, bool(seen.address)) == (SeenState.RUNNING, True)
        began = time.monotonic()
        await active(adapter, ref)
        assert time.monotonic() - began > 0.5


async def test_all_that_may_be_missing_is_missing(cloud: Lambda) -> None:
    async with account(cloud) as (adapter, _):
        cloud.turn(omits_optional=True)
        ref = await launched(cloud, adapter)
        await until(lambda: cloud.truth(ref)["port"])
        (seen,) = await adapter.list()
        assert (seen.ref, seen.address, seen.state) == (ref, "", SeenState.RUNNING)


async def test_a_new_machine_may_be_listed_and_not_readable(cloud: Lambda) -> None:
    async with account(cloud) as (adapter, _):
        cloud.fault("get-lag", value=1, calls=1)
        ref = await launched(cloud, adapter)
        assert await adapter.get(ref) is None
        assert [each.ref for each in await adapter.list()] == [ref]
        cloud.advance(1)
        assert await adapter.get(ref) is not None


async def test_a_machine_that_is_taken_back_is_gone(cloud: Lambda) -> None:
    async with account(cloud) as (adapter, key):
        ref = await launched(cloud, adapter)
        cloud.control("POST", f"machines/{cloud.truth(ref)['machine_id']}/reclaim", {"notice": 0})
        await until(lambda: cloud.truth(ref)["ended"] is not None)
        assert cloud.ask("GET", f"/api/v1/instances/{ref}", key=key)[1]["data"]["status"] == "preempted"
        assert (await adapter.get(ref), await adapter.list()) == (None, [])


async def test_a_second_launch_within_twelve_seconds_is_refused_and_says_when(cloud: Lambda) -> None:
    async with account(cloud) as (adapter, key):
        plan = await planned(cloud, adapter)
        cloud.turn(launch_pause=12)
        cloud.advance(12)
        await adapter.create(plan)
        cloud.advance(11)
        second = replace(plan, name="gpu-bridge-mine0000-second")
        with pytest.raises(Refused, match="too often"):
            await adapter.create(second)
        assert len(cloud.ssh_keys(key)) == 1  # that of the machine
        cloud.advance(1)
        await adapter.create(second)


async def test_who_asks_too_often_is_told_that_nothing_is_known(cloud: Lambda) -> None:
    async with account(cloud) as (adapter, key):
        await launched(cloud, adapter)
        cloud.advance(2)
        cloud.turn(calls_per_second=1, retry_after="3600")
        assert cloud.ask("GET", "/api/v1/regions", key=key)[0] == 200
        with pytest.raises(Unclear) as caught:
            await adapter.list()
        assert caught.value.details["retry_after"] == "3601"


async def test_no_redirect_is_followed(cloud: Lambda) -> None:
    async with account(cloud) as (adapter, _):
        ref = await launched(cloud, adapter)
        plan = await planned(cloud, adapter, "gpu-bridge-mine0000-other")
        cloud.turn(redirect=str(cloud.api["address"]))
        for call in (adapter.list(), adapter.get(ref), adapter.destroy(ref), adapter.offers(Need()), adapter.check()):
            with pytest.raises(Unclear, match="301"):
                await call
        with pytest.raises(NoCapacity, match="301"):
            await adapter.create(plan)
        assert cloud.truth(ref)["ended"] is None


async def test_a_key_in_use_does_not_keep_its_machine_from_being_destroyed(cloud: Lambda) -> None:
    async with account(cloud) as (adapter, key):
        ref = await launched(cloud, adapter)
        cloud.turn(keys_in_use=True)
        await adapter.destroy(ref)
        assert len(cloud.ssh_keys(key)) == 1
        cloud.turn(keys_in_use=False)
        await adapter.destroy(ref)
        assert cloud.ssh_keys(key) == []


async def test_a_destroy_is_done_whatever_becomes_of_the_keys(cloud: Lambda) -> None:
    async with account(cloud) as (adapter, _):
        ref = await launched(cloud, adapter)
        cloud.turn(refuse={"verb": "keys", "status": 403, "code": "global/forbidden"})
        await adapter.destroy(ref)
        seen = await adapter.get(ref)
        assert seen is not None
        assert seen.state is SeenState.ENDING


async def test_a_key_that_a_crash_has_left_is_found_a_day_later_and_none_that_is_used(cloud: Lambda) -> None:
    async with account(cloud) as (adapter, key):
        now = int(time.time())

        def register(name: str) -> str:
            body: dict[str, Any] = {"name": name, "public_key": "ssh-ed25519 AAAA"}
            assert cloud.ask("POST", "/api/v1/ssh-keys", body, key=key)[0] == 200
            return name

        left = register(f"gpu-bridge-other000-0123-{now - 90_000}")
        used = register(f"gpu-bridge-other000-4567-{now - 90_000}")
        young = register(f"gpu-bridge-other000-89ab-{now - 600}")
        theirs = register("laptop")
        order = {"region_name": "us-east-1", "instance_type_name": TYPE, "ssh_key_names": [used], "name": "other"}
        assert cloud.ask("POST", "/api/v1/instance-operations/launch", order, key=key)[0] == 200
        await adapter.destroy(await launched(cloud, adapter))
        assert set(cloud.ssh_keys(key)) == {used, young, theirs}
        assert left not in cloud.ssh_keys(key)
