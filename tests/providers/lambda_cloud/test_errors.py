"""Each no that the cloud has, what it means, and what is left behind: no SSH key, no machine, no secret."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_gpu_bridge.errors import KeyRefused, NoCapacity, Refused, Unclear
from jupyter_gpu_bridge.model import Need, Ref
from tests.providers.lambda_cloud.world import NAME, Lambda, account, launched, planned

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(90)]

CAPACITY = "instance-operations/launch/insufficient-capacity"
OF_A_LAUNCH = [
    (400, "global/invalid-parameters", Refused, ""),
    (400, CAPACITY, NoCapacity, ""),
    (400, "instance-operations/launch/file-system-in-wrong-region", Refused, ""),
    (400, "global/quota-exceeded", Refused, "quota"),
    (400, "global/object-does-not-exist", NoCapacity, ""),
    (404, "global/object-does-not-exist", NoCapacity, ""),
    (401, "global/invalid-api-key", KeyRefused, "good key"),
    (403, "global/account-inactive", KeyRefused, "how it pays"),
    (403, "global/invalid-address", KeyRefused, "console"),
    (403, "global/forbidden", KeyRefused, "that may"),
    (429, "global/rate-limited", Refused, "minute"),
]
UNCLEAR = [(500, "global/internal-error"), (500, "global/unknown"), (503, "provider/internal-unavailable")]


def no(verb: str, status: int, code: str) -> dict[str, Any]:
    return {"verb": verb, "status": status, "code": code, "message": "So it is.", "suggestion": "Do something else."}


@pytest.mark.parametrize(("status", "code", "kind", "advice"), OF_A_LAUNCH)
async def test_a_launch_that_is_refused_leaves_nothing(
    cloud: Lambda, status: int, code: str, kind: type[Exception], advice: str
) -> None:
    async with account(cloud) as (adapter, key):
        plan = await planned(cloud, adapter)
        cloud.turn(refuse=no("create", status, code))
        with pytest.raises(kind, match=r"So it is\. Do something else\.") as caught:
            await adapter.create(plan)
        assert advice in str(caught.value)
        assert key not in str(caught.value)
        assert cloud.ssh_keys(key) == []
        assert await adapter.list() == []


@pytest.mark.parametrize(("status", "code"), UNCLEAR)
async def test_a_launch_of_which_nobody_knows_is_unclear_and_sent_once(cloud: Lambda, status: int, code: str) -> None:
    async with account(cloud) as (adapter, _):
        plan = await planned(cloud, adapter)
        cloud.turn(refuse=no("create", status, code))
        before = len(cloud.log())
        with pytest.raises(Unclear):
            await adapter.create(plan)
        assert [each["verb"] for each in cloud.log()[before:]].count("create") == 1


@pytest.mark.parametrize("kind", ["answer-lost", "error-after", "garbage"])
async def test_a_machine_whose_answer_was_lost_is_found_by_its_name_and_keeps_its_key(cloud: Lambda, kind: str) -> None:
    async with account(cloud) as (adapter, key):
        plan = await planned(cloud, adapter)
        cloud.fault(kind, calls=1)
        with pytest.raises(Unclear):
            await adapter.create(plan)
        (seen,) = await adapter.list()
        assert seen.name == NAME
        assert len(cloud.ssh_keys(key)) == 1
        await adapter.destroy(seen.ref)
        assert cloud.ssh_keys(key) == []


@pytest.mark.parametrize(
    ("status", "code", "advice"),
    [
        (401, "global/invalid-api-key", "does not take the key"),
        (403, "global/account-inactive", "is not active"),
        (403, "global/forbidden", "does not allow"),
    ],
)
async def test_a_key_that_is_no_good_is_told_from_an_account_that_is_not(
    cloud: Lambda, status: int, code: str, advice: str
) -> None:
    async with account(cloud) as (adapter, _):
        cloud.turn(refuse=no("list", status, code))
        for call in (adapter.check, adapter.list):
            with pytest.raises(KeyRefused, match=advice):
                await call()


async def test_a_key_that_nobody_gave_out_is_refused_and_not_repeated_to_anybody(cloud: Lambda) -> None:
    adapter = cloud.adapter("secret_guessed_0123456789.abc")
    with pytest.raises(KeyRefused) as caught:
        await adapter.check()
    assert "guessed" not in str(caught.value) + repr(adapter)
    await adapter.close()


async def test_without_any_key_nothing_is_asked(cloud: Lambda, monkeypatch: pytest.MonkeyPatch) -> None:
    from jupyter_gpu_bridge.providers.lambda_cloud import LambdaCloud

    for name in ("LAMBDA_API_KEY", "LAMBDA_CLOUD_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(KeyRefused, match="LAMBDA_API_KEY"):
        await LambdaCloud(address="http://127.0.0.1:1").offers(Need())


async def test_a_machine_of_which_nothing_may_be_said_is_not_taken_for_gone(cloud: Lambda) -> None:
    async with account(cloud) as (adapter, _):
        ref = await launched(cloud, adapter)
        cloud.turn(refuse=no("get", 404, "global/not-found"))
        with pytest.raises(Unclear, match="LAMBDA_BASE_URL"):
            await adapter.get(ref)
        cloud.turn(refuse=no("destroy", 404, "global/not-found"))
        with pytest.raises(Unclear):
            await adapter.destroy(ref)
        assert cloud.truth(ref)["ended"] is None


@pytest.mark.parametrize("status", [400, 409, 418])
async def test_a_terminate_that_is_refused_is_not_done(cloud: Lambda, status: int) -> None:
    async with account(cloud) as (adapter, _):
        ref = await launched(cloud, adapter)
        cloud.turn(refuse=no("destroy", status, "global/conflict"))
        with pytest.raises(Unclear):
            await adapter.destroy(ref)


async def test_a_key_that_cannot_be_registered_asks_for_no_machine(cloud: Lambda) -> None:
    async with account(cloud) as (adapter, key):
        plan = await planned(cloud, adapter)
        before = len(cloud.log())
        cloud.turn(refuse=no("add-key", 400, "global/invalid-parameters"))
        with pytest.raises(Refused):
            await adapter.create(plan)
        cloud.turn(refuse=no("add-key", 500, "global/internal-error"))
        with pytest.raises(NoCapacity, match="No machine was asked for"):
            await adapter.create(plan)
        assert "create" not in [each["verb"] for each in cloud.log()[before:]]
        assert cloud.ssh_keys(key) == []


@pytest.mark.parametrize("kind", ["answer-lost", "error-after"])
async def test_a_key_whose_answer_was_lost_is_found_and_used(cloud: Lambda, kind: str) -> None:
    async with account(cloud) as (adapter, key):
        plan = await planned(cloud, adapter)
        cloud.fault(kind, calls=1, verb="add-key")
        await adapter.create(plan)
        assert len(cloud.ssh_keys(key)) == 1


async def test_a_machine_that_cannot_be_destroyed_now_says_so(cloud: Lambda) -> None:
    async with account(cloud) as (adapter, _):
        ref = await launched(cloud, adapter)
        cloud.fault("error-before", verb="destroy", calls=2)
        await adapter.destroy(ref)  # it is tried again
        assert (await adapter.get(Ref(ref))) is not None
