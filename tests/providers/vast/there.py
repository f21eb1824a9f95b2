"""A simulated Vast.ai, and an account at it."""

from __future__ import annotations

import asyncio
import functools
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from jupyter_gpu_bridge.model import Need, Offer, Ref, Seen
from jupyter_gpu_bridge.providers.vast import Vast
from tests.clouds.cloud import SimulatedCloud
from tests.sandbox.cloud import DEADLINE

NAME = "gpu-bridge-abcdefgh-0123456789ab"


@dataclass
class There:
    """What a test does with an account of its own."""

    cloud: SimulatedCloud
    account: str
    key: str
    vast: Vast

    async def offer(self, need: Need = Need(), index: int = 0) -> Offer:  # noqa: B008 - frozen
        return sorted(await self.vast.offers(need), key=lambda each: (each.price, each.offer_id))[index]

    async def order(self, name: str = NAME, offer: Offer | None = None, script: str = "") -> Ref:
        return (await self.vast.create(self.cloud.plan(offer or await self.offer(), name, script))).ref

    async def seen(self, ref: Ref, condition: Callable[[Seen], object]) -> Seen:
        """As soon as it is so."""
        give_up = time.monotonic() + DEADLINE
        while True:
            seen = await self.vast.get(ref)
            assert seen is not None
            if condition(seen):
                return seen
            assert time.monotonic() < give_up, seen
            await asyncio.sleep(0.05)

    async def running(self, ref: Ref) -> Seen:
        return await self.seen(ref, lambda seen: seen.address)

    def ask(self, method: str, path: str, body: object = None, key: str = "") -> tuple[int, Any]:
        return self.cloud.ask(method, path, body, key=key or self.key)

    def row(self, ref: Ref) -> dict[str, Any]:
        """What the wire shows of it."""
        found: dict[str, Any] = self.ask("GET", f"/api/v0/instances/{ref}/")[1]["instances"]
        return found

    def control(self, what: str, **asked: Any) -> None:
        self.cloud.control("POST", f"vast/{what}", asked)

    def refuse(self, verb: str, how: str, calls: int = 1) -> None:
        self.control("refuse", verb=verb, how=how, calls=calls)

    def switch(self, **asked: Any) -> None:
        """Underscores stand for dashes."""
        self.control("switch", **{name.replace("_", "-"): value for name, value in asked.items()})

    def show(self, ref: Ref, **fields: Any) -> None:
        self.control("show", machine=ref, fields=fields)

    def calls(self, verb: str) -> list[dict[str, Any]]:
        """What was asked, with a key of this account."""
        return [each for each in self.cloud.log() if (each["verb"], each["account"]) == (verb, self.account)]


@asynccontextmanager
async def account(cloud: SimulatedCloud) -> AsyncIterator[There]:
    """A fresh one; what is rented in it is destroyed at the end."""
    made = cloud.control("POST", "accounts", {})
    vast = Vast(key=str(made["account_key"]), address=str(cloud.api["address"]))
    there = There(cloud, str(made["account"]), str(made["account_key"]), vast)
    try:
        yield there
    finally:
        cloud.mend()
        there.control("mend")
        for seen in await vast.list():
            await vast.destroy(seen.ref)
        await vast.close()


Test = Callable[..., Awaitable[None]]


def in_account(test: Test) -> Test:
    """Gives a test its `there`, made and closed in the test's own event loop."""

    @functools.wraps(test)
    async def run(*, cloud: SimulatedCloud, **others: Any) -> None:
        async with account(cloud) as there:
            await test(there=there, **others)

    told = inspect.signature(test)
    others = [each for each in told.parameters.values() if each.name != "there"]
    place = inspect.Parameter("cloud", inspect.Parameter.KEYWORD_ONLY)
    run.__signature__ = told.replace(parameters=[*others, place])  # type: ignore[attr-defined]
    return run
