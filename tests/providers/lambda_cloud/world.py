"""The adapter, and the simulated cloud that it asks."""

from __future__ import annotations

import asyncio
import time
import urllib.request
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from jupyter_gpu_bridge.model import CreatePlan, Need, Offer, Ref, Seen, SeenState
from jupyter_gpu_bridge.providers.gate import gates
from jupyter_gpu_bridge.providers.lambda_cloud import LambdaCloud
from tests.clouds.cloud import SimulatedCloud
from tests.sandbox.cloud import DEADLINE, is_open

TYPE = "gpu_1x_a10"
NAME = "gpu-bridge-mine0000-0123456789ab"


class Lambda(SimulatedCloud):
    """With what only this cloud has."""

    def __init__(self, **how: Any) -> None:
        super().__init__("lambda", **how)

    def turn(self, **knobs: Any) -> None:
        self.control("POST", "lambda", knobs)

    def truth(self, ref: str) -> dict[str, Any]:
        return super().truth(f"m-{ref[:12]}")

    def reset(self) -> None:
        """Nothing goes wrong any more."""
        self.control("DELETE", "lambda")

    def adapter(self, key: str | None = None) -> LambdaCloud:
        return LambdaCloud(key=key or str(self.api["account_key"]), address=str(self.api["address"]))

    def ssh_keys(self, key: str | None = None) -> Sequence[str]:
        """The names of those that are registered."""
        return [each["name"] for each in self.ask("GET", "/api/v1/ssh-keys", key=key)[1]["data"]]

    def raw(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        """As some clients ask: with headers of their own, and without a type of the content."""
        request = urllib.request.Request(  # noqa: S310 - it is http, on this computer
            self.api["address"] + path, method=method, data=body or None, headers=headers
        )
        if body:
            request.add_header("Content-Type", "")
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            return answer.status, answer.read()


@asynccontextmanager
async def account(cloud: Lambda) -> AsyncIterator[tuple[LambdaCloud, str]]:
    """The adapter in a fresh account, and its key; what is rented in it is destroyed at the end."""
    key = cloud.another_key()
    adapter = cloud.adapter(key)
    try:
        yield adapter, key
        cloud.mend()
        cloud.reset()
        cloud.turn(terminating=0)
        gates().reset("lambda")  # whatever a test has done to this account, its machines are ended
        await adapter.close()
        for seen in await adapter.list():
            await adapter.destroy(seen.ref)
    finally:
        await adapter.close()


async def offer(adapter: LambdaCloud, type_name: str = TYPE) -> Offer:
    return next(each for each in await adapter.offers(Need()) if each.offer_id.startswith(f"{type_name}@"))


async def launched(cloud: Lambda, adapter: LambdaCloud, name: str = NAME, **how: Any) -> Ref:
    return (await adapter.create(await planned(cloud, adapter, name, **how))).ref


async def planned(cloud: Lambda, adapter: LambdaCloud, name: str = NAME, **how: Any) -> CreatePlan:
    plan = cloud.plan(await offer(adapter), name, **how)
    return CreatePlan(plan.offer, plan.name, plan.public_key, f"#!/bin/sh\n{plan.start_script}", plan.limit)


async def active(adapter: LambdaCloud, ref: Ref) -> Seen:
    """As soon as it can be entered."""
    give_up = time.monotonic() + DEADLINE
    while True:
        seen = await adapter.get(ref)
        if seen is not None and seen.state is SeenState.RUNNING and seen.address and is_open(seen):
            return seen
        assert time.monotonic() < give_up, f"it does not run: {seen}"
        await asyncio.sleep(0.02)
