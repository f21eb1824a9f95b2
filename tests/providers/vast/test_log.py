"""The log of an instance: asked for, put into a store elsewhere a moment later, and kept when a machine fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_gpu_bridge.errors import CloudError
from jupyter_gpu_bridge.model import Ref
from jupyter_gpu_bridge.providers.vast import Vast
from jupyter_gpu_bridge.sandbox.http import Answer
from tests.providers.scripted import scripted
from tests.providers.vast.there import There, in_account
from tests.rentals.renting.test_console import WORDS, words_of_one_that_nobody_can_enter_are_kept
from tests.rentals.renting.world import Renting, renting, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180), pytest.mark.needs("ssh", "ssh-keygen")]


@pytest.fixture
def world() -> Iterator[Renting]:
    with renting(simulated="vast") as world:
        yield world


@in_account
async def test_the_log_of_an_instance_is_read_where_it_appears_and_not_with_our_key(there: There) -> None:
    ref = await there.order(script=f"echo '{WORDS}'")
    await there.running(ref)
    console = Path(next(each["folder"] for each in there.cloud.machines() if each["machine_id"] == ref)) / "console.log"
    await until(lambda: WORDS in console.read_text())  # its address may be known before
    assert WORDS in (await there.vast.last_lines(ref)).splitlines()
    reads = [each for each in there.cloud.log() if each["verb"] == "log-text"]
    assert [(each["key"], each["outcome"]) for each in reads] == [("none", 403), ("none", 404), ("none", 200)]
    assert len(there.calls("logs")) == 1
    assert await there.vast.last_lines(Ref("1")) == ""


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, {"success": True}),
        Answer(200, {"success": False, "msg": "no logs"}),
        Answer(200, {"success": True, "result_url": 7}),
        Answer(200, {"success": True, "result_url": "http://store.example/log"}),
        Answer(429, raw=b"API requests too frequent"),
    ],
)
async def test_a_log_that_is_not_told_is_unclear_and_its_request_tells_no_key(answer: Answer) -> None:
    async with scripted(answer) as script:
        vast = Vast(key="secret", address=script.address)
        try:
            with pytest.raises(CloudError) as caught:
                await vast.last_lines(Ref("7"))
        finally:
            await vast.close()
    assert "secret" not in str(caught.value)
    assert {(each.method, each.path, str(each.body)) for each in script.heard} == {
        ("PUT", "/api/v0/instances/request_logs/7", "{'tail': '100'}")
    }


async def test_the_words_of_an_instance_that_nobody_can_enter_are_kept(world: Renting) -> None:
    await words_of_one_that_nobody_can_enter_are_kept(world)
