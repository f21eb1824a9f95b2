"""Whose key it is, what is left in the account, where the key and the address come from, and what becomes of limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_gpu_bridge.errors import BadRequest, KeyBad, KeyForbidden, KeyMissing, NothingFits, Refused, Unclear
from jupyter_gpu_bridge.market.search import search
from jupyter_gpu_bridge.model import BreakerState, Money, Need, Provider, Ref, SelfRemovalCall
from jupyter_gpu_bridge.providers.clouds import Clouds, clouds_set_up
from jupyter_gpu_bridge.providers.gate import gates
from jupyter_gpu_bridge.providers.http import Kind
from jupyter_gpu_bridge.providers.runpod import RunPod
from jupyter_gpu_bridge.sandbox.http import Answer, Request
from tests.clouds.cloud import SimulatedCloud
from tests.providers.runpod.ordering import account, plan, rent
from tests.providers.scripted import scripted

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]


async def test_a_balance_falls_as_a_pod_runs(cloud: SimulatedCloud) -> None:
    async with account(cloud) as provider:
        before = await provider.check()
        assert (before.balance, before.title) == (Money.parse("100"), "somebody@example.org")
        await rent(cloud, provider)
        cloud.advance(3600)
        after = await provider.check()
        assert after.balance is not None
        assert after.balance == Money.parse("99.31")
        assert after.fingerprint == before.fingerprint


async def test_accounts_are_told_apart(cloud: SimulatedCloud) -> None:
    async with account(cloud) as one, account(cloud) as other:
        assert (await one.check()).fingerprint != (await other.check()).fingerprint


async def test_a_wrong_key_a_revoked_one_and_one_without_the_right_are_refused(cloud: SimulatedCloud) -> None:
    wrong = RunPod(key="rpa_wrong", address=str(cloud.api["address"]))
    with pytest.raises(KeyBad, match="missing bearer token") as refused:
        await wrong.check()
    assert "rpa_wrong" not in str(refused.value)
    await wrong.close()
    async with account(cloud) as provider:
        cloud.control("POST", "runpod", {"forbids": "account"})
        with pytest.raises(KeyForbidden, match="access denied"):
            await provider.check()
        cloud.control("POST", "runpod", {"forbids": ""})
        cloud.fault("key-revoked")
        for ask in (provider.check, provider.list):
            with pytest.raises(KeyBad):
                await ask()


async def test_a_limit_that_was_reached_is_waited_for_or_told(cloud: SimulatedCloud) -> None:
    async with account(cloud) as provider:
        cloud.control("POST", "runpod", {"per_minute": 2})
        await provider.list()
        await provider.list()
        cloud.advance(60 - cloud.clock() % 60 + 1)  # its clock stands, so a wait would not help
        await provider.list()


@pytest.mark.parametrize(
    "answer", [Answer(200, {"data": {"myself": {}}}), Answer(200, {"data": {}}), Answer(200, {"errors": []})]
)
async def test_an_account_without_a_name_is_unclear(answer: Answer) -> None:
    async with scripted(Answer(200, {"keys": []}), answer) as script:
        provider = RunPod(key="k", address=script.address)
        with pytest.raises(Unclear):
            await provider.check()
        await provider.close()


async def test_a_balance_is_only_read() -> None:
    """So it is repeated, and what fails of it says nothing about orders."""
    keys, broken = Answer(200, {"keys": []}), Answer(500, {"errors": [{"message": "boom"}]})
    myself = Answer(200, {"data": {"myself": {"id": "u", "clientBalance": 1.5}}})
    async with scripted(keys, broken, myself) as script:
        provider = RunPod(key="k", address=script.address)
        assert (await provider.check()).balance == Money.parse("1.50")
        assert [each.path for each in script.heard] == ["/v2/account/ssh-keys", "/graphql", "/graphql"]
        await provider.close()

    def answer(request: Request) -> Answer:
        return broken if request.path == "/graphql" else keys

    async with scripted(answer) as script:
        provider = RunPod(key="k", address=script.address)
        for _ in range(6):
            with pytest.raises(Unclear, match="boom"):
                await provider.check()
        assert gates().conduct("runpod").breakers[Kind.ONCE].state is BreakerState.CLOSED
        await provider.close()


# its settings --------------------------------------------------------------------------------------------------------


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, own_home: Path) -> pytest.MonkeyPatch:
    for name in ("RUNPOD_API_KEY", "RUNPOD_BASE_URL", "RUNPOD_API_BASE_URL", "RUNPOD_GRAPHQL_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def _address(provider: RunPod) -> str:
    step = provider.traits.removal[0]
    assert isinstance(step, SelfRemovalCall)
    return step.url_template.removesuffix("/v2/pods/{RUNPOD_POD_ID}")


def test_the_address_is_the_newer_variable_then_the_older_then_the_real_one(bare: pytest.MonkeyPatch) -> None:
    assert _address(RunPod()) == "https://api.runpod.io"
    bare.setenv("RUNPOD_API_BASE_URL", "http://127.0.0.1:1/")
    assert _address(RunPod()) == "http://127.0.0.1:1"
    bare.setenv("RUNPOD_BASE_URL", "http://127.0.0.1:2")
    assert _address(RunPod()) == "http://127.0.0.1:2"
    assert _address(RunPod(address="http://127.0.0.1:3")) == "http://127.0.0.1:3"


@pytest.mark.parametrize("path", ["", "/graphql", "/graphql/"])
async def test_graphql_may_be_elsewhere(bare: pytest.MonkeyPatch, path: str) -> None:
    myself = Answer(200, {"data": {"myself": {"id": "u"}, "podFindAndDeployOnDemand": {"id": "p"}}})
    async with scripted(Answer(200, {"keys": [], "pods": []})) as rest, scripted(myself) as graphql:
        bare.setenv("RUNPOD_BASE_URL", rest.address)
        bare.setenv("RUNPOD_GRAPHQL_BASE_URL", f"{graphql.address}{path}")
        provider = RunPod(key="k")
        await provider.check()
        assert (await provider.create(plan())).ref == "p"
        await provider.list()
        await provider.close()
        assert {each.path for each in rest.heard} == {"/v2/account/ssh-keys", "/v2/pods"}
        assert [each.path for each in graphql.heard] == ["/graphql", "/graphql"]
        first, second = provider.traits.removal
        assert isinstance(first, SelfRemovalCall)
        assert isinstance(second, SelfRemovalCall)
        assert first.url_template.startswith(f"{rest.address}/v2/")
        assert second.url_template == f"{graphql.address}/graphql"


async def test_graphql_is_where_all_the_rest_is_unless_it_is_said(bare: pytest.MonkeyPatch) -> None:
    async with scripted(Answer(200, {"keys": [], "data": {"myself": {"id": "u"}}})) as script:
        bare.setenv("RUNPOD_BASE_URL", f"{script.address}/v2")
        provider = RunPod(key="k")
        await provider.check()
        await provider.close()
        assert [each.path for each in script.heard] == ["/v2/account/ssh-keys", "/graphql"]


async def test_an_address_of_graphql_that_is_none_keeps_no_pod_alive(bare: pytest.MonkeyPatch) -> None:
    """The key is sent neither there nor to the usual one."""
    async with scripted(Answer(200, {"keys": []})) as script:
        bare.setenv("RUNPOD_BASE_URL", script.address)
        bare.setenv("RUNPOD_GRAPHQL_BASE_URL", "http://example.org")
        provider = RunPod(key="k")
        with pytest.raises(Refused, match="RUNPOD_GRAPHQL_BASE_URL"):
            await provider.create(plan())
        await provider.destroy(Ref("p"))
        await provider.close()
        assert [(each.method, each.path) for each in script.heard] == [("DELETE", "/v2/pods/p")]


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ftp://x", "https://api.runpod.io/v1", "https://"])
def test_an_address_has_a_scheme_and_a_host_and_no_path(address: str) -> None:
    with pytest.raises(BadRequest, match="is no address of RunPod"):
        RunPod(address=address)


async def test_without_a_key_it_is_asked_nothing(bare: pytest.MonkeyPatch) -> None:
    assert "runpod" not in clouds_set_up()
    with pytest.raises(KeyMissing, match=r"no key of runpod: in RUNPOD_API_KEY"):
        await RunPod().list()
    async with scripted(Answer(200, {"gpus": []})) as script:
        bare.setenv("RUNPOD_BASE_URL", script.address)
        clouds = Clouds()
        with pytest.raises(NothingFits, match="No provider is set up"):
            await search(Need(), clouds)
        await clouds.close()
        assert script.heard == []
    bare.setenv("RUNPOD_API_KEY", "k")
    assert "runpod" in clouds_set_up()


def test_it_is_a_provider_that_tells_no_secret() -> None:
    provider: Provider = RunPod(key="topsecret")
    assert provider.traits.gaps() == ""
    assert not provider.traits.has_spot
    assert "topsecret" not in repr(provider)
