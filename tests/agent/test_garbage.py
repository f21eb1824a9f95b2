"""What a peer may send that is no honest peer: refused with `WireError`, or taken for what it says; never a crash."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_gpu_bridge.agent.channel import MOST_NUMBER, Channel
from jupyter_gpu_bridge.agent.control import MOST_MESSAGE, JsonStream
from jupyter_gpu_bridge.agent.frames import CHUNK, FrameReader, Kind, WireError, head
from jupyter_gpu_bridge.agent.outbox import Outbox
from tests.agent.broken_line import End

_HEAD = struct.Struct("<BxxxIQQ")
_HELLO, _RECORD, _ACKNOWLEDGE = 1, 2, 3


def greeting(**words: Any) -> bytes:
    hello = json.dumps({"have": 0, "taken": 0, "from": 1, **words}).encode()
    return _HEAD.pack(_HELLO, 0, 0, len(hello)) + hello


def fresh() -> tuple[Channel, list[bytes]]:
    heard: list[bytes] = []
    channel = Channel(Outbox(), lambda number, age, record: heard.append(bytes(record)), most_record=1000)
    for word in (b"one", b"two", b"three"):
        channel.send([word])
    channel.connect(End(channel))
    return channel, heard


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=100), max_size=5))
def test_a_frame_reader_holds_no_more_than_one_frame(pieces: list[bytes]) -> None:
    reader = FrameReader()
    try:
        for piece in pieces:
            list(reader.feed(memoryview(piece)))
    except WireError:
        return
    assert len(reader._rest) <= CHUNK + 8


def test_a_frame_that_announces_too_much_is_refused_before_it_is_there() -> None:
    with pytest.raises(WireError):
        list(FrameReader().feed(memoryview(head(Kind.DATA, 1, CHUNK + 1))))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_a_channel_takes_garbage_or_refuses_it(noise: bytes, greeted: bool) -> None:
    channel, _ = fresh()
    try:
        channel.push(memoryview((greeting() if greeted else b"") + noise))
    except WireError:
        return
    assert channel.outbox.last == 3


@settings(max_examples=300, deadline=None)
@given(
    have=st.one_of(
        st.integers(-5, 10), st.integers(), st.floats(), st.text(max_size=5), st.none(), st.lists(st.none())
    ),
    taken=st.one_of(st.integers(-5, 10), st.integers()),
    first=st.one_of(st.integers(-5, 10), st.integers()),
)
def test_whatever_numbers_a_greeting_names_the_channel_goes_on(have: Any, taken: Any, first: Any) -> None:
    channel, _ = fresh()
    try:
        channel.push(memoryview(greeting(have=have, taken=taken, **{"from": first})))
    except WireError:
        return
    channel.send([b"four"])
    assert all(channel.pull(1000))
    assert 0 <= channel.have < MOST_NUMBER


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("thanks for what was never sent", _HEAD.pack(_ACKNOWLEDGE, 0, 4, 0)),
        ("thanks with a body", _HEAD.pack(_ACKNOWLEDGE, 0, 1, 5)),
        ("a record out of turn", _HEAD.pack(_RECORD, 0, 2, 1) + b"x"),
        ("a record that is too large", _HEAD.pack(_RECORD, 0, 1, 1001)),
        ("a second greeting", greeting()),
        ("a record of no kind", _HEAD.pack(9, 0, 1, 1)),
    ],
)
def test_what_a_channel_refuses(what: str, words: bytes) -> None:
    channel, heard = fresh()
    channel.push(memoryview(greeting()))
    with pytest.raises(WireError):
        channel.push(memoryview(words))
    assert heard == []


def test_a_record_that_is_said_again_is_heard_once() -> None:
    channel, heard = fresh()
    channel.push(memoryview(greeting()))
    for _ in range(3):
        channel.push(memoryview(_HEAD.pack(_RECORD, 0, 1, 5) + b"hello"))
    assert heard == [b"hello"]


def test_thanks_that_are_said_again_change_nothing() -> None:
    channel, _ = fresh()
    channel.push(memoryview(greeting()))
    channel.pull(10_000)
    for number in (2, 1, 2):
        channel.push(memoryview(_HEAD.pack(_ACKNOWLEDGE, 0, number, 0)))
    assert channel.outbox.acknowledged == 2
    assert channel.outbox.held > 0


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=100), st.booleans())
def test_a_stream_of_messages_takes_garbage_or_refuses_it(noise: bytes, honest: bool) -> None:
    heard: list[dict[str, Any]] = []
    stream = JsonStream(heard.append, lambda reason: None)
    data = (struct.pack("<I", len(noise)) if honest else b"") + noise
    try:
        for at in range(len(data)):
            stream.push(memoryview(data[at : at + 1]))
    except WireError:
        return
    assert all(isinstance(each, dict) for each in heard)


def test_a_message_that_announces_too_much_is_refused_before_it_is_there() -> None:
    stream = JsonStream(lambda message: None, lambda reason: None)
    with pytest.raises(WireError):
        stream.push(memoryview(struct.pack("<I", MOST_MESSAGE + 1)))


def test_a_message_of_brackets_is_refused() -> None:
    stream = JsonStream(lambda message: None, lambda reason: None)
    brackets = b"[" * 200_000
    with pytest.raises(WireError):
        stream.push(memoryview(struct.pack("<I", len(brackets)) + brackets))
