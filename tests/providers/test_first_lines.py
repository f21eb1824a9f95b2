"""The first lines of a stream that may never end: so many of them, so many bytes, so many seconds, and with the key."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from jupyter_gpu_bridge.errors import KeyForbidden, Unclear
from jupyter_gpu_bridge.providers.http import MOST_OF_A_STREAM, HttpClient
from jupyter_gpu_bridge.sandbox.http import Answer
from tests.providers.scripted import Scripted, scripted

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

SECRET = "sk-very-secret"


def stream(said: bytes, *, goes_on: bool = True) -> Answer:
    return Answer(200, raw=said, headers={"Content-Type": "text/event-stream"}, goes_on=goes_on)


def events(*lines: str) -> bytes:
    return "".join(f"id: {number}\r\ndata: {line}\r\n\r\n" for number, line in enumerate(lines)).encode()


@asynccontextmanager
async def asked(*replies: Answer) -> AsyncIterator[tuple[Scripted, HttpClient]]:
    async with scripted(*replies) as script:
        made = HttpClient(
            "Acme", script.address, headers={"Authorization": f"Bearer {SECRET}"}, secrets=[SECRET], rate="1000/s"
        )
        try:
            yield script, made
        finally:
            await made.close()


async def test_so_many_lines_are_taken_and_the_stream_is_left() -> None:
    async with asked(stream(events("one", "two", "three"))) as (script, one):
        began = time.monotonic()
        found = await one.first_lines("/log", {"tail": "2"}, beginning="data:", lines=2, within=20)
        assert time.monotonic() - began < 10
        assert found == ["data: one", "data: two"]
        (heard,) = script.heard
    assert (heard.method, heard.path, heard.query, heard.token) == ("GET", "/log", {"tail": "2"}, SECRET)


async def test_when_nothing_more_comes_what_has_come_is_taken() -> None:
    async with asked(stream(events("one", "two") + b"data: half of a li")) as (_, one):
        began = time.monotonic()
        found = await one.first_lines("/log", beginning="data:", lines=9, within=1)
        assert 0.9 < time.monotonic() - began < 5
    assert found == ["data: one", "data: two"]


async def test_a_stream_that_says_nothing_has_no_lines() -> None:
    async with asked(stream(b"")) as (_, one):
        assert await one.first_lines("/log", beginning="data:", lines=9, within=0.5) == []


@pytest.mark.parametrize("said", [b"data: one\n\ndata: two\n\n", b"", b"\xff\xfe\n", b"nothing of that kind\n"])
async def test_a_stream_that_ends_is_taken_as_it_is(said: bytes) -> None:
    async with asked(stream(said, goes_on=False)) as (_, one):
        found = await one.first_lines("/log", beginning="data:", lines=9, within=20)
    assert found == (["data: one", "data: two"] if b"two" in said else [])


async def test_a_flood_is_left_after_so_many_bytes() -> None:
    flood = events("the first") + b":" * (4 * MOST_OF_A_STREAM) + b"\ndata: too far away\n"
    async with asked(stream(flood)) as (_, one):
        began = time.monotonic()
        assert await one.first_lines("/log", beginning="data:", lines=9, within=20) == ["data: the first"]
        assert time.monotonic() - began < 10


async def test_what_refuses_is_told_as_ever_and_asked_once() -> None:
    async with asked(Answer(403, {"message": f"not with {SECRET}"})) as (script, one):
        with pytest.raises(KeyForbidden) as caught:
            await one.first_lines("/log", beginning="data:", lines=9, within=5)
        assert SECRET not in str(caught.value)
        script.replies = [Answer(500, {"message": "boom"})]
        with pytest.raises(Unclear, match="status 500"):
            await one.first_lines("/log", beginning="data:", lines=9, within=5)
        script.replies = [Answer(404, {"message": "no such thing"})]
        assert await one.first_lines("/log", beginning="data:", lines=9, within=5, also=(404,)) == []
        assert len(script.heard) == 3


async def test_one_that_does_not_answer_at_all_is_unclear() -> None:
    async with asked(Answer(0, hangs_up=True)) as (_, one):
        with pytest.raises(Unclear, match="could not be asked"):
            await one.first_lines("/log", beginning="data:", lines=9, within=5)
