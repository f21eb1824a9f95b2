"""A text that a cloud has put elsewhere: fetched as a stranger would, not at any price, and only where it may be."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from jupyter_gpu_bridge.errors import Unclear
from jupyter_gpu_bridge.model import BreakerState
from jupyter_gpu_bridge.providers import metrics
from jupyter_gpu_bridge.providers.gate import gates
from jupyter_gpu_bridge.providers.http import HttpClient, Kind
from jupyter_gpu_bridge.providers.http.elsewhere import LONGEST, MOST, SOON
from jupyter_gpu_bridge.sandbox.http import Answer
from tests.ports import free_port
from tests.providers.scripted import Scripted, scripted

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

SECRET = "sk-very-secret"
SIGNED = "/bucket/log.txt?X-Amz-Signature=5ae8b3"
NOT_THERE = Answer(404, raw=b"<Error><Code>NoSuchKey</Code></Error>")
FORBIDDEN = Answer(403, raw=b"<Error><Code>AccessDenied</Code></Error>")


def text(said: bytes) -> Answer:
    return Answer(200, raw=said, headers={"Content-Type": "text/plain"})


@asynccontextmanager
async def client(address: str, rate: str = "1000/s") -> AsyncIterator[HttpClient]:
    """Of a cloud at that address, with a key and with something else of the account's."""
    headers = {"Authorization": f"Bearer {SECRET}", "X-Account": SECRET, "Cookie": f"session={SECRET}"}
    made = HttpClient("Acme", address, headers=headers, secrets=[SECRET], rate=rate)
    try:
        yield made
    finally:
        await made.close()


@asynccontextmanager
async def store(*replies: Answer) -> AsyncIterator[tuple[Scripted, HttpClient]]:
    async with scripted(*replies) as script, client(script.address) as one:
        yield script, one


async def test_a_stranger_is_told_neither_the_key_nor_any_header_of_the_account() -> None:
    async with store(text(b"Booting.\nNo space left.\n")) as (script, one):
        assert await one.text_elsewhere(script.address + SIGNED, within=5) == "Booting.\nNo space left.\n"
        (heard,) = script.heard
    assert (heard.method, heard.path, heard.query) == ("GET", "/bucket/log.txt", {"X-Amz-Signature": "5ae8b3"})
    assert set(heard.headers) - {""} == {"host", "accept", "accept-encoding", "connection", "user-agent"}
    assert SECRET not in str(heard.headers)


async def test_it_is_asked_again_until_it_is_there() -> None:
    async with store(FORBIDDEN, NOT_THERE, NOT_THERE, text(b"there")) as (script, one):
        assert await one.text_elsewhere(script.address + SIGNED, within=10) == "there"
        assert len(script.heard) == 4


@pytest.mark.parametrize("answer", [NOT_THERE, FORBIDDEN, Answer(503, raw=b"Slow down"), Answer(0, hangs_up=True)])
async def test_what_does_not_come_is_given_up_in_time_and_a_few_times_only(answer: Answer) -> None:
    async with store(answer) as (script, one):
        began = time.monotonic()
        with pytest.raises(Unclear):
            await one.text_elsewhere(script.address + SIGNED, within=1)
        assert time.monotonic() - began < 2
        assert 1 < len(script.heard) < 6


async def test_however_much_time_there_is_it_is_not_asked_for_ever() -> None:
    async with store(NOT_THERE) as (script, one):
        with pytest.raises(Unclear):
            await one.text_elsewhere(script.address + SIGNED, within=30)
        assert len(script.heard) == 1 + SOON.most


async def test_silence_is_given_up_in_time() -> None:
    async with store(text(b"too late")) as (script, one):
        script.hold = asyncio.Event()
        began = time.monotonic()
        with pytest.raises(Unclear):
            await one.text_elsewhere(script.address + SIGNED, within=0.5)
        assert time.monotonic() - began < 2


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_no_redirect_is_followed(status: int) -> None:
    async with scripted(text(b"of another")) as other:
        async with store(Answer(status, raw=b"", headers={"Location": other.address})) as (script, one):
            with pytest.raises(Unclear, match=f"status {status}"):
                await one.text_elsewhere(script.address + SIGNED, within=5)
            assert len(script.heard) == 1
        assert other.heard == []


async def test_the_end_of_a_long_text_is_kept() -> None:
    async with store(text(b"x" * (2 * MOST) + b"the end")) as (script, one):
        said = await one.text_elsewhere(script.address + SIGNED, within=10)
    assert len(said) == MOST
    assert said.endswith("the end")


async def test_a_text_without_end_is_left_in_time() -> None:
    endless = Answer(200, raw=b"y" * (LONGEST + 1) + b"unread", goes_on=True)
    async with store(endless) as (script, one):
        said = await one.text_elsewhere(script.address + SIGNED, within=20)
    assert said == "y" * MOST


@pytest.mark.parametrize(
    "address",
    [
        "http://store.example/log",
        "https://127.0.0.1/log",
        "http://user:word@127.0.0.1/log",
        "ftp://127.0.0.1/log",
        "file:///etc/passwd",
        "//127.0.0.1/log",
        "/log",
        "",
        "https://",
        "https://[::1",
        "http://127.0.0.1:99999/log",
    ],
)
async def test_an_address_that_is_not_as_it_should_be_is_not_asked(address: str) -> None:
    async with store(text(b"secret of somebody")) as (script, one):
        with pytest.raises(Unclear, match="has named an address"):
            await one.text_elsewhere(address, within=5)
        assert script.heard == []


async def test_a_cloud_that_is_far_away_cannot_make_us_ask_this_computer() -> None:
    async with scripted(text(b"of a neighbour")) as neighbour, client("https://acme.invalid") as one:
        for address in (neighbour.address, neighbour.address.replace("127.0.0.1", "localhost")):
            with pytest.raises(Unclear, match="has named an address that is not asked"):
                await one.text_elsewhere(address, within=5)
        assert neighbour.heard == []


async def test_no_error_names_the_address_or_what_was_said_there(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    nobody = f"http://127.0.0.1:{free_port()}"
    async with store(Answer(400, raw=b"<Error>AKIA5ae8b3</Error>")) as (script, one):
        for address in (script.address + SIGNED, nobody + SIGNED, "http://store.example" + SIGNED):
            with pytest.raises(Unclear) as caught:
                await one.text_elsewhere(address, within=1)
            assert "5ae8b3" not in f"{caught.value} {caught.value.details} {caplog.text}"


async def test_it_passes_the_gate_of_its_cloud_and_says_nothing_of_how_that_does() -> None:
    async with store(NOT_THERE) as (script, one):
        for _ in range(8):  # more than open a breaker
            with pytest.raises(Unclear):
                await one.text_elsewhere(script.address + SIGNED, within=0.1)
        conduct = gates().conduct("acme")
        assert conduct.breakers[Kind.READ].state is BreakerState.CLOSED
        assert 'outcome="elsewhere",provider="acme"' in metrics.exposed().decode().replace('operation="read",', "")
        script.replies = [Answer(500, {})]
        for _ in range(8):
            with pytest.raises(Unclear):
                await one.first_lines("/log", beginning="", lines=1, within=1)
        asked = len(script.heard)
        with pytest.raises(Unclear, match="is not asked again"):
            await one.text_elsewhere(script.address + SIGNED, within=5)
        assert len(script.heard) == asked


async def test_it_is_counted_by_the_limiter() -> None:
    async with scripted(NOT_THERE) as script, client(script.address, rate="2/s") as one:
        with pytest.raises(Unclear):
            await one.text_elsewhere(script.address + SIGNED, within=2)
        assert len(script.heard) <= 2 + 2 * 2
