"""The one HTTP client: what it repeats, what it never repeats, what it makes of answers, and what it does not tell."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from email.utils import format_datetime

import pytest

from jupyter_gpu_bridge.errors import (
    BridgeError,
    CloudError,
    KeyBad,
    KeyForbidden,
    KeyRefused,
    KeyUnfunded,
    NoCapacity,
    Refused,
    Unclear,
)
from jupyter_gpu_bridge.providers import dates, http
from jupyter_gpu_bridge.providers.http import HttpClient
from jupyter_gpu_bridge.sandbox.http import Answer
from tests.ports import free_port
from tests.providers.scripted import Scripted, scripted

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

SECRET = "sk-very-secret"
GOOD = Answer(200, {"price": "1.10"})
BROKEN = Answer(500, {"error": {"message": "boom"}})
HUNG_UP = Answer(0, hangs_up=True)


@asynccontextmanager
async def client(script: Scripted) -> AsyncIterator[HttpClient]:
    headers = {"Authorization": f"Bearer {SECRET}"}
    made = HttpClient("A cloud", script.address, headers=headers, secrets=[SECRET], trust_env=False)
    try:
        yield made
    finally:
        await made.close()


# what is repeated --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [BROKEN, HUNG_UP, Answer(503, None), Answer(429, {"message": "slow down"})])
async def test_a_read_is_repeated_until_it_is_answered(trouble: Answer) -> None:
    async with scripted(trouble, trouble, GOOD) as script, client(script) as one:
        assert (await one.read("/things", {"a": "1"})).fields.text("price") == "1.10"
        assert [(each.method, each.path, each.query, each.token) for each in script.heard] == [
            ("GET", "/things", {"a": "1"}, SECRET)
        ] * 3


@pytest.mark.parametrize("trouble", [BROKEN, HUNG_UP])
async def test_a_destroy_is_repeated_and_what_is_not_there_is_destroyed(trouble: Answer) -> None:
    async with scripted(trouble, Answer(404, {"error": "no"})) as script, client(script) as one:
        assert (await one.destroy("/things/1")).status == 404
        assert [each.method for each in script.heard] == ["DELETE", "DELETE"]


@pytest.mark.parametrize("trouble", [BROKEN, HUNG_UP, Answer(503, None, {"Retry-After": "0"}), Answer(302, None)])
async def test_what_must_not_be_done_twice_is_sent_exactly_once(trouble: Answer) -> None:
    async with scripted(trouble, GOOD) as script, client(script) as one:
        with pytest.raises(Unclear):
            await one.once("POST", "/things", {"name": "x"})
        assert len(script.heard) == 1
        assert script.heard[0].body == {"name": "x"}


async def test_a_kept_connection_that_breaks_is_not_tried_again_for_a_create() -> None:
    """The cloud may have read it: nobody knows."""
    async with scripted(GOOD, HUNG_UP, GOOD) as script, client(script) as one:
        await one.read("/things")
        with pytest.raises(Unclear):
            await one.once("POST", "/things")
        assert [each.method for each in script.heard] == ["GET", "POST"]


async def test_nobody_there_is_unclear() -> None:
    nobody = HttpClient("A cloud", f"http://127.0.0.1:{free_port()}", headers={}, secrets=[], trust_env=False)
    with pytest.raises(Unclear, match="could not be asked"):
        await nobody.once("POST", "/things")
    await nobody.close()


async def test_a_create_that_is_not_answered_in_time_is_unclear() -> None:
    async with scripted(GOOD) as script, client(script) as one:
        script.hold = asyncio.Event()
        with pytest.raises(Unclear, match=r"within 0\.2 s"):
            await one.once("POST", "/things", within=0.2)
        assert len(script.heard) == 1


async def test_a_read_is_given_up_in_the_end() -> None:
    async with scripted(BROKEN) as script, client(script) as one:
        with pytest.raises(Unclear, match=r"status 500: boom"):
            await one.read("/things")
        assert len(script.heard) == 4


async def test_a_cancelled_read_stops_at_once() -> None:
    async with scripted(BROKEN) as script, client(script) as one:
        reading = asyncio.ensure_future(one.read("/things"))
        while not script.heard:
            await asyncio.sleep(0.01)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_a_cloud_says_when_to_come_again(form: str) -> None:
    when = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=2), usegmt=True)
    busy = Answer(429, None, {"Retry-After": "1" if form == "seconds" else when})
    async with scripted(busy, GOOD) as script, client(script) as one:
        start = time.monotonic()
        await one.read("/things")
        assert time.monotonic() - start >= 0.9
        assert len(script.heard) == 2


async def test_a_cloud_that_says_to_come_again_much_later_is_not_waited_for() -> None:
    async with scripted(Answer(503, None, {"Retry-After": "7200"})) as script, client(script) as one:
        with pytest.raises(Unclear) as caught:
            await one.read("/things")
        assert len(script.heard) == 1
        assert int(caught.value.details["retry_after"]) >= 7200


async def test_a_destroy_may_be_a_post_with_a_body_and_is_repeated_as_well() -> None:
    async with scripted(BROKEN, GOOD) as script, client(script) as one:
        await one.destroy("/end", {"ids": ["1"]}, method="POST")
        assert [(each.method, each.body) for each in script.heard] == [("POST", {"ids": ["1"]})] * 2


# what answers mean -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 402, 403])
async def test_an_adapter_may_say_what_a_refused_key_means(status: int) -> None:
    def told(answer: http.Answer) -> CloudError:
        return KeyRefused(f"{answer.fields.text('why')} ({answer.status})", advice=f"Not {SECRET}")

    async with scripted(Answer(status, {"why": "No money"})) as script:
        one = HttpClient("A cloud", script.address, headers={}, secrets=[SECRET], trust_env=False, key_refusal=told)
        with pytest.raises(KeyRefused, match=f"No money .{status}.") as caught:
            await one.once("POST", "/things")
        await one.close()
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(("status", "kind"), [(401, KeyBad), (402, KeyUnfunded), (403, KeyForbidden)])
@pytest.mark.parametrize("verb", ["read", "once", "destroy"])
async def test_a_key_that_is_not_taken_is_said_so_and_not_tried_again(
    status: int, kind: type[KeyRefused], verb: str
) -> None:
    async with scripted(Answer(status, {"message": "who are you?"})) as script, client(script) as one:
        calls: dict[str, Callable[[], object]] = {
            "read": lambda: one.read("/things"),
            "once": lambda: one.once("POST", "/things"),
            "destroy": lambda: one.destroy("/things/1"),
        }
        with pytest.raises(KeyRefused, match="who are you") as caught:
            await calls[verb]()  # type: ignore[misc]
        assert type(caught.value) is kind
        assert type(BridgeError.of(caught.value.as_problem())) is kind
        assert len(script.heard) == 1


async def test_a_clear_no_is_what_the_adapter_makes_of_it() -> None:
    def refusal(answer: http.Answer) -> CloudError:
        return NoCapacity(answer.fields.inner("error").text("message"))

    async with scripted(Answer(409, {"error": {"message": f"taken, said {SECRET}"}})) as script, client(script) as one:
        with pytest.raises(NoCapacity, match="taken") as caught:
            await one.once("POST", "/things", refusal=refusal)
        assert SECRET not in str(caught.value)
        with pytest.raises(Refused, match="taken"):
            await one.once("POST", "/things")


async def test_too_many_creates_is_a_clear_no() -> None:
    async with scripted(Answer(429, {"message": "one in ten seconds"})) as script, client(script) as one:
        with pytest.raises(Refused, match="one in ten seconds"):
            await one.once("POST", "/things")
        assert len(script.heard) == 1


@pytest.mark.parametrize("status", [400, 404, 409, 422])
async def test_a_read_that_is_refused_is_unclear_unless_it_is_an_answer(status: int) -> None:
    async with scripted(Answer(status, {"message": "no"})) as script, client(script) as one:
        with pytest.raises(Unclear, match=f"status {status}: no"):
            await one.read("/things")
        assert (await one.read("/things", also=(status,))).status == status


@pytest.mark.parametrize("status", [400, 402, 403, 410])
async def test_an_adapter_may_look_at_a_no_itself(status: int) -> None:
    """Something may have been made all the same, whatever the status is."""
    async with scripted(Answer(status, {"made": 7})) as script, client(script) as one:
        assert (await one.once("POST", "/things", also=(status,))).fields.whole("made") == 7
        hidden = one.masked(Refused(f"It said {SECRET}."))
        assert SECRET not in str(hidden)


async def test_a_question_with_a_content_is_repeated_as_well() -> None:
    async with scripted(BROKEN, GOOD) as script, client(script) as one:
        assert (await one.read("/things", content={"a": 1})).status == 200
        assert [(each.method, each.body) for each in script.heard] == [("POST", {"a": 1})] * 2


async def test_a_redirect_is_not_followed() -> None:
    async with scripted(GOOD) as other:
        async with scripted(Answer(307, None, {"Location": other.address})) as script, client(script) as one:
            for call in (one.read("/things"), one.once("POST", "/things"), one.destroy("/things/1")):
                with pytest.raises(Unclear, match="307"):
                    await call
        assert other.heard == []


@pytest.mark.parametrize("raw", [b"<html>", b'{"a": ', b"[" * 100_000, b"\xff\xfe"])
async def test_an_answer_that_is_no_json_is_unclear(raw: bytes) -> None:
    async with scripted(Answer(200, raw=raw)) as script, client(script) as one:
        with pytest.raises(Unclear, match="no JSON"):
            await one.once("POST", "/things")


async def test_an_answer_without_a_body_is_an_answer() -> None:
    async with scripted(Answer(204, raw=b"")) as script, client(script) as one:
        assert (await one.destroy("/things/1")).content is None


async def test_numbers_are_exact() -> None:
    exact = Answer(200, raw=b'{"price": 0.10, "big": 0.1234567891234567891}')
    async with scripted(exact) as script, client(script) as one:
        content = (await one.read("/things")).content
    assert content == {"price": Decimal("0.10"), "big": Decimal("0.1234567891234567891")}


# what is not told --------------------------------------------------------------------------------------------------


async def test_no_error_and_no_repr_tells_a_secret() -> None:
    echoes = [
        Answer(500, {"error": f"bad token {SECRET}"}),
        Answer(401, {"error": f"bad token {SECRET}"}),
        Answer(422, {"detail": [SECRET]}),
        Answer(200, raw=f"not JSON {SECRET}".encode()),
        HUNG_UP,
    ]
    for echo in echoes:
        async with scripted(echo) as script, client(script) as one:
            with pytest.raises(BridgeError) as caught:
                await one.once("POST", "/things", {"key": SECRET})
            error = caught.value
            assert SECRET not in f"{error} {error!r} {json.dumps(error.details)} {error.as_problem()} {one!r}"


async def test_each_answer_says_what_time_it_is_at_its_cloud() -> None:
    dates.forget()
    refused = Answer(404, None, headers={"Date": "Fri, 20 Nov 2026 12:00:00 GMT"})
    async with scripted(refused) as script, client(script) as one:
        with pytest.raises(CloudError):
            await one.read("/things")
    said = dates.last(here=True)
    assert said is not None
    assert (said.by, said.at) == ("a", datetime(2026, 11, 20, 12, tzinfo=timezone.utc))
    assert dates.last() is None, "this computer is no witness of its own clock"
