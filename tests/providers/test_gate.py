"""The client behind its gate, over a real socket: what opens a breaker, what does not, and what passes all the same."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from jupyter_gpu_bridge.errors import BridgeError, CloudError, KeyRefused, NoCapacity, Refused, Unclear
from jupyter_gpu_bridge.model import BreakerState
from jupyter_gpu_bridge.providers import metrics
from jupyter_gpu_bridge.providers.calls import Kind
from jupyter_gpu_bridge.providers.gate import gates
from jupyter_gpu_bridge.providers.http import HttpClient
from jupyter_gpu_bridge.sandbox.http import Answer
from tests.providers.scripted import Scripted, scripted

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

GOOD, BROKEN = Answer(200, {"fine": True}), Answer(500, {"error": "boom"})
THRESHOLD = 3


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PROVIDER_MAX_RETRIES": "1",
        "PROVIDER_RETRY_BASE_DELAY": "0",
        "PROVIDER_RETRY_JITTER": "0",
        "PROVIDER_CIRCUIT_BREAKER_THRESHOLD": str(THRESHOLD),
        "PROVIDER_CIRCUIT_BREAKER_TIMEOUT": "60",
    }.items():
        monkeypatch.setenv(name, value)


@asynccontextmanager
async def acme(script: Scripted, key: str = "sk-acme", **more: Any) -> AsyncIterator[HttpClient]:
    headers = {"Authorization": f"Bearer {key}"}
    more = {"rate": "1000/s", **more}
    made = HttpClient("Acme (a cloud)", script.address, headers=headers, secrets=[key], trust_env=False, **more)
    try:
        yield made
    finally:
        await made.close()


def state(kind: Kind) -> BreakerState:
    return gates().conduct("acme").breakers[kind].state


async def fails(call: Callable[[], Any], times: int = THRESHOLD) -> None:
    for _ in range(times):
        with suppress(CloudError):
            await call()


# the breaker -------------------------------------------------------------------------------------------------------


async def test_one_call_with_all_its_repetitions_is_one_result() -> None:
    async with scripted(BROKEN) as script, acme(script) as one:
        await fails(lambda: one.read("/things"), THRESHOLD - 1)
        assert len(script.heard) == 2 * (THRESHOLD - 1)
        assert gates().conduct("acme").breakers[Kind.READ].failures == THRESHOLD - 1
        assert state(Kind.READ) is BreakerState.CLOSED


async def test_an_open_breaker_sends_nothing_says_so_and_is_one_for_each_kind() -> None:
    async with scripted(BROKEN) as script, acme(script) as one, acme(script, key="of another account") as other:
        await fails(lambda: one.read("/things"))
        heard = len(script.heard)
        with pytest.raises(Unclear, match=r"failed 3 times in a row, and is not asked again for \d+ s.*Nothing was"):
            await one.read("/things")
        with pytest.raises(Unclear, match="3 times in a row"):
            await other.read("/things")
        assert len(script.heard) == heard
        with pytest.raises(Unclear, match="boom"):
            await one.once("POST", "/things")
        assert state(Kind.ONCE) is BreakerState.CLOSED


async def test_a_create_that_was_not_sent_is_a_clear_no() -> None:
    """So that the next offer can be tried: nothing has to be looked for."""
    async with scripted(BROKEN) as script, acme(script) as one:
        await fails(lambda: one.once("POST", "/things"))
        heard = len(script.heard)
        with pytest.raises(Refused, match="Nothing was sent") as caught:
            await one.once("POST", "/things", refusal=lambda answer: NoCapacity("never asked"))
        assert int(caught.value.details["retry_after"]) <= 61
        assert len(script.heard) == heard


async def test_a_destroy_passes_an_open_breaker_and_is_seen_by_it() -> None:
    async with scripted(BROKEN) as script, acme(script) as one:
        await fails(lambda: one.destroy("/things/1"), THRESHOLD + 2)
        assert len(script.heard) == 2 * (THRESHOLD + 2)
        assert state(Kind.DESTROY) is BreakerState.OPEN
        assert gates().conduct("acme").breakers[Kind.DESTROY].failures == THRESHOLD + 2
        script.replies = [GOOD]
        await one.destroy("/things/1")
        assert state(Kind.DESTROY) is BreakerState.CLOSED


async def test_of_many_at_once_exactly_one_tries_whether_it_is_well_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDER_CIRCUIT_BREAKER_TIMEOUT", "0.1")
    async with scripted(BROKEN) as script, acme(script) as one:
        await fails(lambda: one.read("/things"))
        script.replies, script.hold = [GOOD], asyncio.Event()
        heard = len(script.heard)
        await asyncio.sleep(0.15)
        many = [asyncio.ensure_future(one.read("/things")) for _ in range(20)]
        while sum(each.done() for each in many) < 19:
            await asyncio.sleep(0.01)
        script.hold.set()
        found = await asyncio.gather(*many, return_exceptions=True)
        assert len(script.heard) == heard + 1
        assert sum(isinstance(each, Unclear) for each in found) == 19
        assert state(Kind.READ) is BreakerState.CLOSED


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 422])
async def test_a_clear_no_is_no_failure(status: int) -> None:
    async with scripted(Answer(status, {"message": "no"})) as script, acme(script) as one:
        await fails(lambda: one.read("/things"), 2 * THRESHOLD)
        await fails(lambda: one.once("POST", "/things", refusal=lambda answer: NoCapacity("full")), 2 * THRESHOLD)
        assert state(Kind.READ) is state(Kind.ONCE) is BreakerState.CLOSED
        assert gates().conduct("acme").recent.success_rate == 1.0


async def test_a_call_that_is_cancelled_says_nothing() -> None:
    async with scripted(GOOD) as script, acme(script) as one:
        script.hold = asyncio.Event()
        for _ in range(2 * THRESHOLD):
            calling = asyncio.ensure_future(one.read("/things"))
            await asyncio.sleep(0.02)
            calling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await calling
        assert gates().conduct("acme").breakers[Kind.READ].failures == 0
        assert gates().conduct("acme").recent.count == 0


@pytest.mark.parametrize(
    "answer", [Answer(200, raw=b"<html>maintenance</html>"), Answer(200, raw=b'{"a": [1, 2'), Answer(302), Answer(429)]
)
async def test_answers_that_make_no_sense_and_too_much_without_a_time_are_failures(answer: Answer) -> None:
    async with scripted(answer) as script, acme(script) as one:
        await fails(lambda: one.read("/things"))
        assert state(Kind.READ) is BreakerState.OPEN


@pytest.mark.parametrize("is_limited", ["true", "false"])
@pytest.mark.parametrize("status", [429, 503])
async def test_who_is_told_to_come_later_makes_all_others_come_later(
    status: int, is_limited: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether we limit ourselves or not."""
    monkeypatch.setenv("PROVIDER_RATE_LIMITER_ENABLED", is_limited)
    busy = Answer(status, None, {"Retry-After": "3000"})
    async with scripted(busy, GOOD) as script, acme(script) as one, acme(script) as other:
        with pytest.raises(Unclear):
            await one.read("/things")
        with pytest.raises(Unclear, match="must not be asked more often") as caught:
            await other.read("/others")
        assert 2900 < int(caught.value.details["retry_after"]) <= 3001
        with pytest.raises(Refused, match="Nothing was sent"):
            await other.once("POST", "/others")
        assert len(script.heard) == 1


async def test_too_much_with_a_time_is_no_failure_and_makes_everybody_wait() -> None:
    busy = Answer(429, None, {"Retry-After": "1"})
    async with scripted(busy, GOOD) as script, acme(script) as one:
        start = time.monotonic()
        first = asyncio.ensure_future(one.read("/things"))
        while not gates().limiters("acme")[0].paused_for:
            await asyncio.sleep(0.01)
        await asyncio.gather(first, *(one.read("/things") for _ in range(3)))
        assert time.monotonic() - start >= 0.95
        assert gates().conduct("acme").breakers[Kind.READ].failures == 0


async def test_a_create_that_was_too_much_is_sent_once_and_the_next_one_waits() -> None:
    busy = Answer(429, {"message": "one in ten seconds"}, {"Retry-After": "1"})
    async with scripted(busy, GOOD) as script, acme(script) as one:
        with pytest.raises(Refused, match="one in ten seconds"):
            await one.once("POST", "/things")
        assert len(script.heard) == 1
        start = time.monotonic()
        await one.once("POST", "/things")
        assert time.monotonic() - start >= 0.9


async def test_a_destroy_waits_for_nobody() -> None:
    busy = Answer(429, None, {"Retry-After": "3000"})
    async with scripted(busy, GOOD) as script, acme(script, rate="1/h") as one:
        with pytest.raises(Unclear):
            await one.read("/things")
        start = time.monotonic()
        await one.destroy("/things/1")
        assert time.monotonic() - start < 5
        with pytest.raises(Unclear, match="must not be asked more often"):
            await one.read("/things")


# the limiter -------------------------------------------------------------------------------------------------------


async def test_all_clients_with_one_key_share_one_rate_and_another_key_has_its_own() -> None:
    async with scripted(GOOD) as script, acme(script, rate="1/h") as one, acme(script, rate="1/h") as same:
        await one.read("/things")
        with pytest.raises(Unclear, match="more often"):
            await same.read("/things")
        with pytest.raises(Refused, match="more often"):
            await same.once("POST", "/things")
        async with acme(script, key="another", rate="1/h") as other:
            await other.read("/things")
        assert gates().conduct("acme").breakers[Kind.READ].failures == 0


async def test_the_rate_is_what_is_set_and_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_RATE_LIMIT", "2/h")
    async with scripted(GOOD) as script, acme(script) as one:
        await one.read("/things")
        with pytest.raises(Unclear, match="more often"):
            await one.read("/things")
        monkeypatch.setenv("PROVIDER_RATE_LIMITER_ENABLED", "false")
        for _ in range(5):
            await one.read("/things")


async def test_a_verb_may_have_a_rate_of_its_own_and_a_destroy_never_waits() -> None:
    async with scripted(GOOD) as script, acme(script, rate="100/s", paces={"make": "1/h", "end": "1/h"}) as one:
        await one.once("POST", "/things", verb="make")
        with pytest.raises(Refused, match="more often"):
            await one.once("POST", "/things", verb="make")
        await one.once("POST", "/others")
        for _ in range(3):
            await one.destroy("/things/1", verb="end")
        assert [each.method for each in script.heard] == ["POST", "POST", "DELETE", "DELETE", "DELETE"]


async def test_each_repetition_is_a_request_that_has_its_turn() -> None:
    async with scripted(BROKEN) as script, acme(script, rate="1/h") as one:
        with pytest.raises(Unclear):
            await one.read("/things")
        assert len(script.heard) == 1


# settings of a provider --------------------------------------------------------------------------------------------


async def test_it_is_asked_where_and_for_as_long_as_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted(GOOD) as script, scripted(GOOD) as usual:
        monkeypatch.setenv("ACME_BASE_URL", f"{script.address}/v2/")
        monkeypatch.setenv("ACME_GRAPHQL_BASE_URL", f"{script.address}/graphql")
        monkeypatch.setenv("ACME_TIMEOUT", "0.3")
        async with acme(usual) as one, acme(usual, part="graphql") as other:
            await one.read("/things")
            await other.read("", content={"query": "{ things }"})
            assert [(each.method, each.path) for each in script.heard] == [("GET", "/v2/things"), ("POST", "/graphql")]
            assert usual.heard == []
            script.hold = asyncio.Event()
            with pytest.raises(Unclear, match=r"within 0\.3 s"):
                await one.once("POST", "/things")


async def test_a_slip_in_a_setting_keeps_nobody_from_destroying(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PROVIDER_MAX_RETRIES", "PROVIDER_CIRCUIT_BREAKER_THRESHOLD", "ACME_RATE_LIMIT", "ACME_TIMEOUT"):
        monkeypatch.setenv(name, "many")
    async with scripted(Answer(404, {})) as script, acme(script, rate="5/s") as one:
        assert (await one.destroy("/things/1")).status == 404


async def test_an_address_that_would_give_the_key_away_is_never_asked_nor_is_the_usual_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever looks after a machine goes on to try, as when a cloud is down."""
    monkeypatch.setenv("ACME_BASE_URL", "http://api.acme.example")
    async with scripted(GOOD) as script, acme(script) as one:
        for call in (one.read("/things"), one.destroy("/things/1")):
            with pytest.raises(Unclear, match=r"ACME_BASE_URL .*Nothing was sent"):
                await call
        with pytest.raises(Refused, match="ACME_BASE_URL"):
            await one.once("POST", "/things")
        assert script.heard == []


async def test_no_proxy_is_given_what_stays_on_this_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted(GOOD) as script, scripted(GOOD) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.address)
        one = HttpClient("Acme", script.address, headers={}, secrets=[])
        await one.read("/things")
        await one.close()
        assert (len(script.heard), len(proxy.heard)) == (1, 0)


# calls of other shapes ---------------------------------------------------------------------------------------------


async def test_what_is_read_by_post_is_repeated_as_a_read() -> None:
    async with scripted(BROKEN, GOOD) as script, acme(script) as one:
        await one.read("/search", content={"gpu": "A100"})
        assert [(each.method, each.body) for each in script.heard] == [("POST", {"gpu": "A100"})] * 2


async def test_what_is_destroyed_by_post_is_repeated_as_a_destroy() -> None:
    async with scripted(BROKEN, GOOD) as script, acme(script) as one:
        await one.destroy("/terminate", {"ids": ["1"]}, method="POST")
        assert [(each.method, each.body) for each in script.heard] == [("POST", {"ids": ["1"]})] * 2


async def test_ten_megabytes_are_read_and_too_many_are_not() -> None:
    ten = b'{"offers": ["' + b"x" * (10 << 20) + b'"]}'
    async with scripted(Answer(200, raw=ten), Answer(200, raw=b" " * (65 << 20))) as script, acme(script) as one:
        content = (await one.read("/things")).content
        assert isinstance(content, dict)
        assert len(content["offers"][0]) == 10 << 20
        with pytest.raises(Unclear, match=r"answered too much \(more than 64 MiB"):
            await one.once("POST", "/things")


@pytest.mark.parametrize("word", [b"NaN", b"Infinity", b"-Infinity"])
async def test_a_number_that_is_none_is_no_json(word: bytes) -> None:
    async with scripted(Answer(200, raw=b'{"price": ' + word + b"}")) as script, acme(script) as one:
        with pytest.raises(Unclear, match="no JSON"):
            await one.once("POST", "/things")


async def test_an_answer_that_comes_drop_by_drop_is_not_waited_for_for_ever() -> None:
    is_over = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        with suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)
        writer.close()
        is_over.set()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    one = HttpClient("Acme", address, headers={}, secrets=[], trust_env=False)
    start = time.monotonic()
    with pytest.raises(Unclear, match="no whole answer within 1 s"):
        await one.once("POST", "/things", within=1.0)
    assert time.monotonic() - start < 5
    await one.close()
    await is_over.wait()
    server.close()


@pytest.mark.parametrize(("status", "advice"), [(401, "Make a new key"), (402, "Pay money"), (403, "more rights")])
async def test_what_is_wrong_with_a_key_is_told_apart(status: int, advice: str) -> None:
    async with scripted(Answer(status, {"message": "no"})) as script, acme(script) as one:
        with pytest.raises(KeyRefused) as caught:
            await one.read("/things")
        assert advice in caught.value.advice


# what is told of it ------------------------------------------------------------------------------------------------


async def test_figures_have_few_labels_and_no_secret() -> None:
    async with scripted(GOOD, BROKEN, GOOD) as script, acme(script) as one:
        await one.read("/things")
        await one.read("/things")
        with suppress(BridgeError):
            await one.once("POST", "/things/very-secret")
    lines = metrics.exposed().decode().splitlines()
    assert 'gpu_bridge_provider_repetitions_total{operation="read",provider="acme"} 1.0' in lines
    assert any(line.startswith("gpu_bridge_provider_calls_total{") and 'outcome="answered"' in line for line in lines)
    labels = set(re.findall(r"[{,](\w+)=", "".join(lines)))
    assert labels == {"operation", "outcome", "provider", "le"}
    assert "sk-acme" not in "".join(lines)
