from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_gpu_bridge.agent.channel import Channel
from jupyter_gpu_bridge.agent.frames import CHUNK, NUMBER, Kind, frame, head
from jupyter_gpu_bridge.agent.mux import (
    BULK,
    BULK_WINDOW,
    MOST_CHANNELS,
    NORMAL,
    URGENT,
    WINDOW,
    Endpoint,
    Mux,
    MuxChannel,
    Refusal,
)
from jupyter_gpu_bridge.agent.outbox import Outbox
from jupyter_gpu_bridge.agent.splice import Splice
from tests.agent.rough_line import RoughLine

pytestmark = pytest.mark.timeout(120)

DEADLINE = 20.0


class Side:
    """Channels that live on over any number of carriers, and what came out of them."""

    def __init__(self, count: int) -> None:
        self.heard: list[list[bytes]] = [[] for _ in range(count)]
        self.channels = [Channel(Outbox(), self._hear(number)) for number in range(count)]

    def _hear(self, at: int) -> Callable[[int, float, memoryview], None]:
        def hear(number: int, age: float, record: memoryview) -> None:
            self.heard[at].append(bytes(record))
            self.channels[at].take(number)

        return hear

    def say(self, at: int, record: bytes) -> None:
        self.channels[at].send([record[:1], record[1:]])


async def until(is_so: Callable[[], bool]) -> None:
    give_up = asyncio.get_running_loop().time() + DEADLINE
    while not is_so():
        assert asyncio.get_running_loop().time() < give_up
        await asyncio.sleep(0.001)


def _urgency(number: int) -> int:
    return (URGENT, NORMAL, BULK)[number % 3]


async def _connected(line: RoughLine, left: Side, right: Side) -> tuple[Mux, Mux]:
    line.open()
    ended: list[str] = []
    far = Mux(
        line.right.fileno(),
        line.right.fileno(),
        hello={},
        greeted=lambda hello: None,
        ended=ended.append,
        opened=lambda request: right.channels[request["number"]],
    )
    near = Mux(line.left.fileno(), line.left.fileno(), hello={}, greeted=lambda hello: None, ended=ended.append)
    for number, channel in enumerate(left.channels):
        near.open({"number": number}, channel, _urgency(number))
    return near, far


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32))
def test_every_record_of_every_channel_arrives_once_and_in_order(seed: int) -> None:
    chance = random.Random(seed)

    async def live() -> None:
        count = chance.randint(1, 7)
        left, right = Side(count), Side(count)
        said: dict[Side, list[list[bytes]]] = {side: [[] for _ in range(count)] for side in (left, right)}

        def talk() -> None:
            for _ in range(chance.randint(0, 12)):
                side, at = chance.choice((left, right)), chance.randrange(count)
                record = chance.randbytes(chance.choice((0, 1, 30, 2000, 90_000, 1_200_000)))
                said[side][at].append(record)
                side.say(at, record)

        for again in range(chance.randint(1, 6)):
            line = RoughLine(chance, chance.choice((1, 30, 200, 3000, 100_000)) + chance.randrange(200))
            near, far = await _connected(line, left, right)
            talk()
            await asyncio.sleep(chance.choice((0, 0.001, 0.01)))
            talk()
            if again % 2:
                chance.choice(left.channels)  # the channel is closed from one side, as a replaced visitor is
                with contextlib.suppress(IndexError):
                    chance.choice(list(far._channels.values())).close()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(line.broken.wait(), 0.02)
            near.close()
            far.close()
            await line.close()
        line = RoughLine(chance, None)
        near, far = await _connected(line, left, right)
        talk()
        await until(lambda: right.heard == said[left] and left.heard == said[right])
        await until(lambda: all(channel.outbox.held == 0 for side in (left, right) for channel in side.channels))
        near.close()
        far.close()
        await line.close()

    asyncio.run(live())


class Collector:
    """An endpoint that says nothing and keeps what it hears."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.end: dict[str, str] | None = None
        self.generous = True
        self.transport: MuxChannel | None = None

    def connect(self, transport: MuxChannel) -> None:
        self.transport = transport

    def pull(self, limit: int) -> list[Any]:
        return []

    def push(self, data: memoryview) -> None:
        self.data += data
        if self.generous and self.transport is not None:
            self.transport.consumed(len(data))

    def ended(self, reason: dict[str, str]) -> None:
        self.end = reason


def test_what_services_said_before_they_hung_up_arrives_whole_although_others_talk() -> None:
    async def live() -> None:
        ours, theirs = socket.socketpair()
        services: list[socket.socket] = []

        def opened(request: dict[str, Any]) -> Endpoint:
            inner, outer = socket.socketpair()
            services.append(outer)
            return Splice(inner)

        far = Mux(
            theirs.fileno(), theirs.fileno(), hello={}, greeted=lambda h: None, ended=lambda why: None, opened=opened
        )
        near = Mux(ours.fileno(), ours.fileno(), hello={}, greeted=lambda h: None, ended=lambda why: None)
        collectors = [Collector() for _ in range(12)]
        for number, collector in enumerate(collectors):
            near.open({}, collector, _urgency(number))
        await until(lambda: len(services) == len(collectors))
        words = [random.Random(number).randbytes(150_000) for number in range(len(collectors))]
        for round_ in range(3):
            for service, word in zip(services, words, strict=True):
                await asyncio.get_running_loop().run_in_executor(
                    None, service.sendall, word[round_ * 50_000 : (round_ + 1) * 50_000]
                )
        for service in services:
            service.close()
        await until(lambda: all(collector.end is not None for collector in collectors))
        assert [bytes(collector.data) for collector in collectors] == words
        near.close()
        far.close()
        ours.close()
        theirs.close()

    asyncio.run(live())


class Speaker(Collector):
    """Says one thing, in small pieces, and keeps what it hears."""

    def __init__(self, word: bytes) -> None:
        super().__init__()
        self._left = memoryview(word)

    def pull(self, limit: int) -> list[Any]:
        piece, self._left = self._left[: min(limit, 5000)], self._left[min(limit, 5000) :]
        return [piece] if piece else []


@pytest.mark.parametrize("urgency", [URGENT, BULK])
def test_what_goes_to_a_service_and_back_is_not_mixed_up_on_a_line_that_is_always_full(
    urgency: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_gpu_bridge.agent.mux.CHUNK", 3000)  # there is always more in the service's socket

    async def live() -> None:
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        echoes: list[asyncio.Task[None]] = []

        def opened(request: dict[str, Any]) -> Endpoint:
            inner, outer = socket.socketpair()
            echoes.append(asyncio.create_task(_echo(outer)))
            return Splice(inner)

        far = Mux(
            theirs.fileno(), theirs.fileno(), hello={}, greeted=lambda h: None, ended=lambda why: None, opened=opened
        )
        near = Mux(ours.fileno(), ours.fileno(), hello={}, greeted=lambda h: None, ended=lambda why: None)
        words = [random.Random(number).randbytes(1_000_000) for number in range(2)]
        speakers = [Speaker(word) for word in words]
        for speaker in speakers:
            near.open({}, speaker, urgency)
        await until(lambda: [len(speaker.data) for speaker in speakers] == [len(word) for word in words])
        assert [bytes(speaker.data) == word for speaker, word in zip(speakers, words, strict=True)] == [True, True]
        near.close()
        far.close()
        await asyncio.wait(echoes)
        ours.close()
        theirs.close()

    asyncio.run(live())


async def _echo(service: socket.socket) -> None:
    service.setblocking(False)
    loop = asyncio.get_running_loop()
    with service:
        while data := await loop.sock_recv(service, 70_000):
            await loop.sock_sendall(service, data)


def test_a_channel_of_a_carrier_that_is_gone_ends_at_once() -> None:
    async def live() -> None:
        ours, theirs = socket.socketpair()
        mux = Mux(ours.fileno(), ours.fileno(), hello={}, greeted=lambda h: None, ended=lambda why: None)
        theirs.close()
        await until(lambda: not mux.is_open)
        late = Collector()
        mux.open({"service": "control"}, late)
        assert late.end is not None
        ours.close()

    asyncio.run(live())


# a hostile peer ------------------------------------------------------------------------------------------------------

GREETING = b"".join(frame(Kind.HELLO, 0, b'{"version": 1}'))
OPENING = b"".join(frame(Kind.OPEN, 1, b'{"urgency": 1}'))


def _bytes(*buffers: Any) -> bytes:
    return b"".join(bytes(each) for each in buffers)


async def _end_of(words: bytes, *, opened: Callable[[dict[str, Any]], Endpoint] | None = None) -> str | None:
    """Why a mux ended that was told this; nothing when it goes on."""
    ours, theirs = socket.socketpair()
    ended: list[str] = []
    mux = Mux(ours.fileno(), ours.fileno(), hello={}, greeted=lambda hello: None, ended=ended.append, opened=opened)
    theirs.setblocking(False)
    loop = asyncio.get_running_loop()

    async def drain() -> None:
        while await loop.sock_recv(theirs, 1 << 16):
            continue

    draining = asyncio.ensure_future(drain())
    with contextlib.suppress(OSError):
        await loop.sock_sendall(theirs, words)
        theirs.shutdown(socket.SHUT_WR)
    await until(lambda: bool(ended))
    draining.cancel()
    await asyncio.gather(draining, return_exceptions=True)
    mux.close()
    ours.close()
    theirs.close()
    return ended[0] or None


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (b"\xff" * 64, "a frame of kind 255"),
        (_bytes(*frame(Kind.PING)), "before the greeting"),
        (GREETING + GREETING, "a second greeting"),
        (_bytes(*frame(Kind.HELLO, 0, b'{"version": 2}')), "protocol version 2 instead of 1"),
        (_bytes(*frame(Kind.HELLO, 0, b"[]")), "greeting"),
        (_bytes(*frame(Kind.HELLO, 0, b"{")), "Expecting"),
        (_bytes(*frame(Kind.HELLO, 0, b"[" * CHUNK)), "RecursionError"),
        (GREETING + head(Kind.DATA, 1, CHUNK + 1), f"{CHUNK + 1} bytes"),
        (GREETING + OPENING + OPENING, "may not be opened"),
        (GREETING + _bytes(*frame(Kind.OPEN, 1, b"{}")), "urgency"),
        (GREETING + _bytes(*frame(Kind.OPEN, 1, b'{"urgency": 9}')), "unknown urgency"),
        (GREETING + _bytes(*frame(Kind.OPEN, 1, b"[1]")), "indices"),
        (GREETING + OPENING + _bytes(*frame(Kind.WINDOW, 1, b"123")), "requires a buffer"),
        (GREETING + OPENING + _bytes(*frame(Kind.CLOSE, 1, b"7")), "int"),
        (GREETING + _bytes(*frame(Kind.PONG)), "never sent"),
        (GREETING + _bytes(*frame(Kind.RECEIVED, 0, NUMBER.pack(10**9))), "cannot have arrived"),
        (GREETING + _bytes(*frame(Kind.OPEN, 1, b'{"urgency": 1, "bad": 1}')), "ZeroDivisionError"),
    ],
)
def test_what_no_honest_peer_says_ends_the_carrier_and_says_why(words: bytes, why: str) -> None:
    def opened(request: dict[str, Any]) -> Endpoint:
        if "bad" in request:
            raise ZeroDivisionError
        return Collector()

    assert why in (asyncio.run(_end_of(words, opened=opened)) or "")


def test_a_link_lets_nobody_open_channels() -> None:
    assert "may not be opened" in (asyncio.run(_end_of(GREETING + OPENING)) or "")


@pytest.mark.parametrize(("urgency", "window"), [(URGENT, WINDOW), (NORMAL, WINDOW), (BULK, BULK_WINDOW)])
def test_more_than_the_window_ends_the_carrier(urgency: int, window: int) -> None:
    def opened(request: dict[str, Any]) -> Endpoint:
        slow = Collector()
        slow.generous = False
        return slow

    opening = _bytes(*frame(Kind.OPEN, 1, json.dumps({"urgency": urgency}).encode()))
    full = (head(Kind.DATA, 1, CHUNK, bulk=urgency == BULK) + bytes(CHUNK)) * (window // CHUNK)
    assert asyncio.run(_end_of(GREETING + opening + full, opened=opened)) is None
    one_more = full + _bytes(*frame(Kind.DATA, 1, b"x"))
    assert "window" in (asyncio.run(_end_of(GREETING + opening + one_more, opened=opened)) or "")


def test_no_more_channels_than_there_may_be() -> None:
    openings = b"".join(_bytes(*frame(Kind.OPEN, n, b'{"urgency": 1}')) for n in range(1, MOST_CHANNELS + 2))
    why = asyncio.run(_end_of(GREETING + openings, opened=lambda request: Collector()))
    assert "may not be opened" in (why or "")


def test_who_asks_without_reading_the_answers_is_shown_the_door() -> None:
    async def live() -> None:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        ended: list[str] = []
        mux = Mux(ours.fileno(), ours.fileno(), hello={}, greeted=lambda hello: None, ended=ended.append)
        pings = GREETING + head(Kind.PING, 0, 0) * 1_000_000
        asking = asyncio.ensure_future(asyncio.get_running_loop().sock_sendall(theirs, pings))
        await until(lambda: bool(ended))
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert "does not read" in ended[0]
        mux.close()
        ours.close()
        theirs.close()

    asyncio.run(live())


@settings(max_examples=150, deadline=None)
@given(noise=st.binary(max_size=300), greeted=st.booleans(), opened=st.booleans())
def test_noise_ends_the_carrier_and_nothing_else(noise: bytes, greeted: bool, opened: bool) -> None:
    words = (GREETING if greeted else b"") + (OPENING if greeted and opened else b"") + noise
    asyncio.run(_end_of(words, opened=lambda request: Channel(Outbox(), lambda number, age, record: None)))


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(list(Kind)),
    number=st.integers(0, 0xFFFF),
    payload=st.one_of(
        st.binary(max_size=40),
        st.recursive(
            st.none() | st.booleans() | st.floats(allow_nan=True) | st.text(max_size=5) | st.integers(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
            max_leaves=6,
        ).map(lambda value: json.dumps(value).encode()),
    ),
)
def test_well_formed_frames_of_any_content_end_the_carrier_or_do_nothing(
    kind: Kind, number: int, payload: bytes
) -> None:
    def opened(request: dict[str, Any]) -> Endpoint:
        raise Refusal("no", "No.")

    asyncio.run(_end_of(GREETING + _bytes(*frame(kind, number, payload)), opened=opened))
