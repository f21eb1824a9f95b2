"""Providers of a few lines, each at a real server of its own that answers what the test says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from jupyter_gpu_bridge.errors import NoCapacity
from jupyter_gpu_bridge.market import sources as sources_module
from jupyter_gpu_bridge.market.search import Found, search
from jupyter_gpu_bridge.market.sources import Source
from jupyter_gpu_bridge.model import (
    Account,
    Created,
    Need,
    Offer,
    Ref,
    Seen,
    Traits,
)
from jupyter_gpu_bridge.providers import clouds as clouds_module
from jupyter_gpu_bridge.providers.clouds import Clouds
from jupyter_gpu_bridge.providers.http import HttpClient
from jupyter_gpu_bridge.rentals import health as rentals_health
from jupyter_gpu_bridge.sandbox.http import Answer
from tests.providers.scripted import Scripted, scripted

DEARER = Answer(200, {"offers": [{"id": "2", "price": "1.50"}], "account": "me"})
GOOD, BROKEN = Answer(200, {"offers": [{"id": "1", "price": "1.25"}], "account": "me"}), Answer(500, {"error": "boom"})
NEED = Need()


@dataclass
class Shop:
    """An adapter as short as one can be."""

    name: str
    address: str
    client: HttpClient = field(init=False)

    def __post_init__(self) -> None:
        self.traits = Traits(title=self.name)
        self.client = HttpClient(self.name, self.address, headers={}, secrets=[f"key of {self.name}"], trust_env=False)

    async def check(self) -> Account:
        return Account((await self.client.read("/account")).fields.text("account"))

    async def offers(self, need: Need) -> Sequence[Offer]:
        listed = (await self.client.read("/offers")).fields.list("offers")
        return [Offer(self.name, each.text("id"), "A100", 1, 81920, each.money("price")) for each in listed]

    async def create(self, plan: Any) -> Created:
        raise NoCapacity("Taken.")

    async def get(self, ref: Ref) -> Seen | None:
        return None

    async def list(self) -> Sequence[Seen]:
        return []

    async def destroy(self, ref: Ref) -> None:
        await self.client.destroy(f"/machines/{ref}")

    async def close(self) -> None:
        await self.client.close()


@asynccontextmanager
async def shops(patch: pytest.MonkeyPatch, **replies: Answer) -> AsyncIterator[dict[str, Scripted]]:
    """Providers of these names, each at a server of its own; nobody else sells anything."""
    opened = {name: scripted(reply) for name, reply in replies.items()}
    scripts = {name: await each.__aenter__() for name, each in opened.items()}

    def maker(name: str) -> Any:
        return lambda: Shop(name, scripts[name].address)

    patch.setattr(clouds_module, "_maker", maker)
    for module in (clouds_module, rentals_health):
        patch.setattr(module, "cloud_names", lambda: sorted(scripts))
    patch.setattr(sources_module, "clouds_set_up", lambda: sorted(scripts))
    try:
        yield scripts
    finally:
        for each in opened.values():
            await each.__aexit__(None, None, None)


async def found_by(source: Source | None = None) -> Found:
    clouds = Clouds()
    try:
        return await search(NEED, clouds, source)
    finally:
        await clouds.close()
