"""What several tests of the adapter need: an offer, an order, and a pod."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from jupyter_gpu_bridge.model import CreatePlan, Money, Offer, Ref, Seen
from jupyter_gpu_bridge.providers.runpod import RunPod
from tests.clouds.cloud import SimulatedCloud
from tests.sandbox.cloud import running

OFFER = Offer(
    "runpod",
    "SECURE:1:EU-RO-1:NVIDIA GeForce RTX 4090",
    "RTX 4090",
    1,
    24576,
    Money.parse("0.692740"),
    region="EU-RO-1",
    disk_gib=20,
)


AS_USUAL = {
    "ssh_keys": [],
    "balance": "100",
    "per_minute": 0,
    "ports_after": 0,
    "is_broken": False,
    "machine_keys": True,
    "forbids": "",
    "is_cluster": False,
    "html": 0,
    "quarrels": 0,
    "logs_end": False,
    "graphql_fails": "",
}


@asynccontextmanager
async def account(cloud: SimulatedCloud, *, limits_at_create: bool = True) -> AsyncIterator[RunPod]:
    """A fresh one; what is rented in it is destroyed at the end."""
    address = str(cloud.api["address"])
    provider = RunPod(key=cloud.another_key(), address=address, limits_at_create=limits_at_create)
    try:
        yield provider
        cloud.mend()
        cloud.control("POST", "runpod", AS_USUAL)
        for seen in await provider.list():
            await provider.destroy(seen.ref)
    finally:
        await provider.close()


def plan(offer: Offer = OFFER, **how: Any) -> CreatePlan:
    told = {"name": "gpu-bridge-x", "public_key": "ssh-ed25519 AAAA us", "start_script": "true", **how}
    return CreatePlan(offer, limit=timedelta(hours=8), **told)


async def rent(cloud: SimulatedCloud, provider: RunPod, name: str = "gpu-bridge-box", script: str = "") -> Seen:
    """A pod that runs and has an address."""
    return await running(provider, await order(cloud, provider, name, script))


async def order(cloud: SimulatedCloud, provider: RunPod, name: str = "gpu-bridge-box", script: str = "") -> Ref:
    return (await provider.create(cloud.plan(OFFER, name, script))).ref
