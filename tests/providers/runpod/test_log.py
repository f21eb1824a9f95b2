"""The log of a pod: a stream of events that is left when it has told what there was, and kept when a pod fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_gpu_bridge.errors import CloudError
from jupyter_gpu_bridge.model import Need, Order, Ref
from jupyter_gpu_bridge.providers.runpod import RunPod
from jupyter_gpu_bridge.sandbox.http import Answer
from tests.clouds.cloud import SimulatedCloud
from tests.providers.runpod.ordering import account, rent
from tests.providers.scripted import scripted
from tests.rentals.renting.test_console import WORDS, words_of_one_that_nobody_can_enter_are_kept
from tests.rentals.renting.world import Renting, renting, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

ORDER = Order(need=Need(providers=("runpod",)))


@pytest.fixture
def world() -> Iterator[Renting]:
    with renting(simulated="runpod") as world:
        yield world


def stream(*lines: object) -> Answer:
    """Of events whose data are these."""
    said = "".join(f"id: 2026-11-20T12:00:00Z\ndata: {line}\n\n" for line in lines)
    return Answer(200, raw=said.encode(), headers={"Content-Type": "text/event-stream"}, goes_on=True)


async def _told(answer: Answer) -> str:
    async with scripted(answer) as script:
        provider = RunPod(key="secret", address=script.address)
        try:
            return await provider.last_lines(Ref("abc"))
        finally:
            await provider.close()
            (heard,) = script.heard
            assert (heard.path, heard.query, heard.token) == ("/v2/pods/abc/logs", {"tail": "40"}, "secret")


@pytest.mark.parametrize("ends", [False, True])
async def test_the_log_of_a_pod_is_its_lines_whether_the_stream_ends_or_not(cloud: SimulatedCloud, ends: bool) -> None:
    cloud.control("POST", "runpod", {"logs_end": ends})
    async with account(cloud) as provider:
        pod = await rent(cloud, provider, script=f"echo '{WORDS}'")
        console = (
            Path(next(each["folder"] for each in cloud.machines() if each["machine_id"] == pod.ref)) / "console.log"
        )
        await until(lambda: WORDS in console.read_text())  # its address may be known before
        assert WORDS in (await provider.last_lines(pod.ref)).splitlines()
        assert await provider.last_lines(Ref("nothing")) == ""


async def test_lines_are_taken_out_of_their_events_and_odd_ones_are_shown_as_they_are() -> None:
    said = [json.dumps({"ts": "t", "source": "container", "line": each}) for each in ("one", "tw\u00f6\n", "")]
    assert await _told(stream(*said, "plain words", '{"text": 1}', '{"line": 7}', "[" * 9000)) == "\n".join(
        ["one", "tw\u00f6", "", "plain words", '{"text": 1}', '{"line": 7}', "[" * 9000]
    )


@pytest.mark.parametrize("answer", [Answer(500, {}), Answer(403, {"detail": "not for secret"}), Answer(307, {})])
async def test_a_log_that_is_not_told_is_an_error_without_the_key(answer: Answer) -> None:
    with pytest.raises(CloudError) as caught:
        await _told(answer)
    assert "secret" not in str(caught.value)


async def test_the_words_of_a_pod_that_nobody_can_enter_are_kept(world: Renting) -> None:
    await words_of_one_that_nobody_can_enter_are_kept(world, ORDER)
