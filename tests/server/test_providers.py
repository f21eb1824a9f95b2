from __future__ import annotations

from typing import Any

import pytest
from tornado.httpclient import HTTPClientError

from jupyter_gpu_bridge.machine.link.environment import passed_on
from jupyter_gpu_bridge.providers import metrics, settings
from jupyter_gpu_bridge.providers.calls import Kind, Outcome
from tests.bridges import ScriptedBridge
from tests.server.test_handlers import Fetch, bridge

__all__ = ["bridge"]


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    return {
        "ServerApp": {"jpserver_extensions": {"jupyter_gpu_bridge": True}, "allow_unauthenticated_access": False},
        "GpuBridgeProviders": {"cache_ttl": 77, "rate_limit": {"acme": "3/s"}},
    }


@pytest.fixture
def jp_argv() -> list[str]:
    return ["--GpuBridgeProviders.max_retries=7"]


async def test_what_a_server_is_configured_with_counts_and_goes_to_those_that_it_starts(
    bridge: ScriptedBridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PROVIDER_MAX_RETRIES", raising=False)
    assert settings.CACHE_TTL.read() == 77
    assert settings.MAX_RETRIES.read() == 7
    told = passed_on(with_ledger=False)
    assert (told["PROVIDER_CACHE_TTL"], told["PROVIDER_MAX_RETRIES"], told["ACME_RATE_LIMIT"]) == ("77", "7", "3/s")


async def test_prometheus_finds_the_figures_and_strangers_do_not(bridge: ScriptedBridge, jp_fetch: Fetch) -> None:
    metrics.count("acme", Kind.READ, Outcome.ANSWERED)
    answer = await jp_fetch("gpu-bridge", "api", "v1", "metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    wanted = 'gpu_bridge_provider_calls_total{operation="read",outcome="answered",provider="acme"} 1.0'
    assert wanted in answer.body.decode().splitlines()
    with pytest.raises(HTTPClientError) as refusal:
        await jp_fetch("gpu-bridge", "api", "v1", "metrics", headers={"Authorization": "token wrong"})
    assert refusal.value.code == 403
