"""One number that nobody can mean costs its own row, at once, and never what others offer."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from jupyter_gpu_bridge.market import facts
from jupyter_gpu_bridge.market.columns import Columns
from jupyter_gpu_bridge.model import Money, Need, Offer, Provider
from jupyter_gpu_bridge.providers.lambda_cloud import LambdaCloud
from jupyter_gpu_bridge.providers.offers import RememberedOffers
from jupyter_gpu_bridge.providers.runpod import RunPod
from jupyter_gpu_bridge.providers.vast import Vast
from jupyter_gpu_bridge.sandbox.http import Answer
from tests.providers.scripted import scripted
from tests.providers.unhurried import unhurried

__all__ = ["unhurried"]

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

ABSURD = ["1e400", "1e5000000", "-1", "1" * 400, "9" * 5000, "1e99999999999999999999", '"1e5000000"']
AT_ONCE = 5.0
"""Seconds; some of these numbers take minutes to be written out."""
_HERE = "the number"


@dataclass(frozen=True)
class Cloud:
    """How an adapter is made, and what it is answered: a good row and another one."""

    make: Callable[[str], Provider]
    good: Mapping[str, Any]
    answered: Callable[[Mapping[str, Any], Mapping[str, Any]], object]
    fields: tuple[str, ...]
    """Those that hold a number."""


VAST = Cloud(
    lambda address: Vast(key="k", address=address),
    {
        "id": 123, "gpu_name": "RTX 4090", "num_gpus": 1, "gpu_ram": 24564, "dph_base": 0.389, "dph_total": 0.395,
        "min_bid": 0.15, "cpu_cores": 64, "cpu_cores_effective": 16.0, "cpu_ram": 257604, "reliability": 0.99,
        "direct_port_count": 100, "machine_id": 7, "hosting_type": 1, "dlperf": 11.5, "duration": 1209600.0,
        "inet_down": 845.9, "inet_up": 612.3, "inet_down_cost": 0.003, "inet_up_cost": 0.003, "cuda_max_good": 12.8,
        "compute_cap": 890,
    },
    lambda good, other: {"offers": [good, {"id": 124, **other}]},
    (
        "id", "num_gpus", "gpu_ram", "dph_total", "cpu_cores", "cpu_cores_effective", "cpu_ram", "reliability",
        "direct_port_count", "machine_id", "hosting_type", "dlperf", "duration", "inet_down", "inet_up",
        "inet_down_cost", "inet_up_cost", "cuda_max_good", "compute_cap",
    ),
)  # fmt: skip

LAMBDA = Cloud(
    lambda address: LambdaCloud(key="k", address=address),
    {
        "instance_type": {
            "name": "gpu_1x_a10",
            "gpu_description": "A10 (24 GB PCIe)",
            "price_cents_per_hour": 129,
            "specs": {"vcpus": 30, "memory_gib": 200, "storage_gib": 1400, "gpus": 1},
        },
        "regions_with_capacity_available": [{"name": "us-east-1"}],
    },
    lambda good, other: {"data": {"good": good, "other": other}},
    tuple(
        f"instance_type.{name}"
        for name in ("price_cents_per_hour", "specs.vcpus", "specs.memory_gib", "specs.storage_gib", "specs.gpus")
    ),
)

RUNPOD = Cloud(
    lambda address: RunPod(key="k", address=address),
    {
        "id": "NVIDIA L4",
        "memory": 24,
        "community": False,
        "price": {"secure": 0.43},
        "maxCount": {"secure": 1},
        "cudaVersions": [{"version": "12.8", "available": True}],
    },
    lambda good, other: {"gpus": [good, {**other, "id": "NVIDIA A40"}]},
    ("memory", "price.secure", "maxCount.secure"),
)

CASES = [(cloud, field) for cloud in (VAST, LAMBDA, RUNPOD) for field in cloud.fields]


def _told(cloud: Cloud, field: str, number: str) -> Answer:
    """With this number in that field of the other row, as it is written."""
    other: Any = copy.deepcopy(dict(cloud.good))
    inner = other
    *path, last = field.split(".")
    for name in path:
        inner = inner[name]
    inner[last] = _HERE
    body = json.dumps(cloud.answered(cloud.good, other)).replace(f'"{_HERE}"', number)
    return Answer(200, raw=body.encode(), headers={"Content-Type": "application/json"})


async def _offers(cloud: Cloud, answer: Answer) -> list[Offer]:
    async with scripted(answer) as script:
        provider = cloud.make(script.address)
        try:
            return list(await RememberedOffers().anew("it", Need(), lambda: provider.offers(Need())))
        finally:
            await provider.close()


@pytest.mark.parametrize("number", ABSURD)
@pytest.mark.parametrize(("cloud", "field"), CASES, ids=[field for _, field in CASES])
async def test_a_number_that_nobody_can_mean_costs_its_own_row(cloud: Cloud, field: str, number: str) -> None:
    began = time.monotonic()
    (offer,) = await _offers(cloud, _told(cloud, field, number))
    columns = Columns([offer])
    assert all(len(columns.number(name)) == 1 for name in facts.NUMBERS)
    assert time.monotonic() - began < AT_ONCE


SOUND = Offer("acme", "1", "RTX 4090", 1, 24564, Money.parse("0.40"))


@pytest.mark.parametrize(
    "change",
    [
        {"gpu_count": 0}, {"gpu_count": -2}, {"gpu_count": 10**18}, {"gpu_memory_mib": -1}, {"gpu_memory_mib": 10**18},
        {"cpus": -1}, {"cpus": 10**400}, {"memory_mib": -1}, {"memory_mib": 10**400}, {"disk_gib": -1},
        {"disk_gib": 10**400}, {"down_mbps": -1}, {"up_mbps": 10**400}, {"down_price": Money(-1)},
        {"up_price": Money.parse("1000001")}, {"reliability": 7.0}, {"reliability": -0.1},
        {"reliability": float("nan")}, {"benchmark": -1.0}, {"benchmark": float("inf")},
        {"lasts": timedelta(seconds=-1)}, {"price": Money(-1)}, {"price": Money.parse("1000001")},
    ],
)  # fmt: skip
async def test_an_offer_that_cannot_be_is_none_whoever_makes_it(change: dict[str, Any]) -> None:
    async def ask() -> list[Offer]:
        return [replace(SOUND, offer_id="2", **change), SOUND]

    assert [each.offer_id for each in await RememberedOffers().anew("acme", Need(), ask)] == ["1"]


async def test_what_is_not_known_is_no_nonsense() -> None:
    bare = [SOUND, replace(SOUND, gpu="", gpu_count=0, gpu_memory_mib=0), replace(SOUND, gpu_memory_mib=0)]

    async def ask() -> list[Offer]:
        return bare

    assert [replace(each, seen=None) for each in await RememberedOffers().anew("acme", Need(), ask)] == bare
