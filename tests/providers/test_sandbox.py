"""The adapter alone: what it sends, and what it makes of answers, sound and unsound."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from jupyter_gpu_bridge.errors import NoCapacity, Refused, Unclear
from jupyter_gpu_bridge.files import try_lock
from jupyter_gpu_bridge.model import CreatePlan, Money, Need, Offer, Provider, Ref, SeenState
from jupyter_gpu_bridge.providers.sandbox import Sandbox
from jupyter_gpu_bridge.sandbox.http import Answer
from tests.providers.scripted import Scripted, scripted

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

KEY = "sk-sandbox-mine"
OFFER = Offer("sandbox", "offer-07", "Pretend A100 80 GB", 1, 81920, Money(1_290_001), is_pretend=True)
MACHINE = {
    "id": "m-1",
    "name": "gpu-bridge-x",
    "status": "active",
    "detail": "",
    "host": "pretend-host-1",
    "billed": True,
    "price_per_hour": "1.290001",
    "reclaim_at": "2026-11-20T10:00:00+00:00",
    "ssh": {"host": "127.0.0.1", "port": 2222, "user": "sandbox"},
}


def plan(limit: timedelta = timedelta(hours=8)) -> CreatePlan:
    return CreatePlan(OFFER, "gpu-bridge-x", "ssh-ed25519 AAAA", "echo secret", limit)


@asynccontextmanager
async def sandbox(folder: Path, script: Scripted, *, limits_at_create: bool = True) -> AsyncIterator[Sandbox]:
    """The adapter, which takes the scripted cloud for the one of this folder."""
    (folder / "api.json").write_text(json.dumps({"address": script.address, "account_key": KEY}))
    lock = try_lock(folder / "api.lock")
    assert lock is not None
    provider = Sandbox(folder, limits_at_create=limits_at_create)
    try:
        yield provider
    finally:
        await provider.close()
        os.close(lock)


def test_it_is_a_provider(tmp_path: Path) -> None:
    provider: Provider = Sandbox(tmp_path)
    assert provider.name == "sandbox"
    assert not (tmp_path / "api.json").exists()  # nothing is started before it is needed


async def test_an_order_says_all_that_there_is_to_say_exactly(tmp_path: Path) -> None:
    async with scripted(Answer(201, {"id": "m-1"})) as script, sandbox(tmp_path, script) as provider:
        assert (await provider.create(plan())).ref == "m-1"
        (heard,) = script.heard
        assert (heard.method, heard.path, heard.token) == ("POST", "/v1/machines", KEY)
        assert heard.body == {
            "offer_id": "offer-07",
            "price": "1.290001",
            "name": "gpu-bridge-x",
            "public_key": "ssh-ed25519 AAAA",
            "start_script": "echo secret",
            "limit_seconds": 28800,
        }


async def test_a_limit_is_not_passed_on_where_the_cloud_takes_none(tmp_path: Path) -> None:
    async with scripted(Answer(201, {"id": "m-1"})) as script:
        async with sandbox(tmp_path, script, limits_at_create=False) as provider:
            await provider.create(plan())
        assert "limit_seconds" not in script.heard[0].body


@pytest.mark.parametrize("code", ["no_capacity", "price_changed", "no_such_offer"])
async def test_an_offer_that_is_not_to_be_had_is_no_capacity(tmp_path: Path, code: str) -> None:
    no = Answer(409, {"error": {"code": code, "message": "Not that one."}})
    async with scripted(no) as script, sandbox(tmp_path, script) as provider:
        with pytest.raises(NoCapacity, match="Not that one"):
            await provider.create(plan())


async def test_another_no_is_a_refusal_and_a_no_that_makes_no_sense_is_unclear(tmp_path: Path) -> None:
    no = Answer(422, {"error": {"code": "invalid", "message": "Never."}})
    async with scripted(no, Answer(418, {"teapot": True})) as script, sandbox(tmp_path, script) as provider:
        with pytest.raises(Refused, match="Never"):
            await provider.create(plan())
        with pytest.raises(Unclear):
            await provider.create(plan())


async def test_a_create_without_an_id_is_unclear(tmp_path: Path) -> None:
    for answer in (Answer(201, {}), Answer(201, {"id": 7}), Answer(201, ["m-1"]), Answer(201, None)):
        async with scripted(answer) as script, sandbox(tmp_path, script) as provider:
            with pytest.raises(Unclear):
                await provider.create(plan())
            assert len(script.heard) == 1


async def test_a_machine_is_translated(tmp_path: Path) -> None:
    async with scripted(Answer(200, MACHINE)) as script, sandbox(tmp_path, script) as provider:
        seen = await provider.get(Ref("m-1"))
        assert seen is not None
        assert (seen.address, seen.port, seen.user, seen.state) == ("127.0.0.1", 2222, "sandbox", SeenState.RUNNING)
        assert seen.price == Money(1_290_001)
        assert seen.reclaim_at is not None


async def test_a_state_that_nobody_knows_is_a_failure(tmp_path: Path) -> None:
    strange = {**MACHINE, "status": "melting", "ssh": None}
    async with scripted(Answer(200, strange)) as script, sandbox(tmp_path, script) as provider:
        seen = await provider.get(Ref("m-1"))
        assert seen is not None
        assert (seen.state, seen.address) == (SeenState.FAILED, "")


@pytest.mark.parametrize("missing", ["id", "name", "status", "billed", "price_per_hour"])
async def test_a_listing_with_a_hole_is_unclear_and_never_an_empty_one(tmp_path: Path, missing: str) -> None:
    holed = {name: value for name, value in MACHINE.items() if name != missing}
    listing = Answer(200, {"machines": [MACHINE, holed]})
    async with scripted(listing) as script, sandbox(tmp_path, script) as provider:
        with pytest.raises(Unclear):
            await provider.list()


async def test_an_answer_that_is_no_listing_is_unclear_and_never_an_empty_one(tmp_path: Path) -> None:
    for answer in (Answer(200, {}), Answer(200, []), Answer(200, None), Answer(200, {"machines": None})):
        async with scripted(answer) as script, sandbox(tmp_path, script) as provider:
            with pytest.raises(Unclear):
                await provider.list()
            with pytest.raises(Unclear):
                await provider.offers(Need())
