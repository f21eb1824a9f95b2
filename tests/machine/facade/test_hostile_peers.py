"""Rubbish costs its sender the connection, and nobody else anything."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_gpu_bridge.errors import PeerMisbehaved
from jupyter_gpu_bridge.machine.facade import Facade, Limits
from jupyter_gpu_bridge.machine.facade.zmtp import (
    GREETING,
    Command,
    Decoder,
    Greeting,
    Message,
    encode,
    encode_command,
    encode_ready,
)
from jupyter_gpu_bridge.model import Lane
from tests.machine.facade.far import until
from tests.machine.facade.test_live import opened, run

READY = encode_ready({b"Socket-Type": b"DEALER", b"Identity": b"somebody"})
LIMITS = Limits(message=1 << 20, frames=64, handshake_seconds=0.3)


async def talk(path: Path, *said: bytes) -> bytes:
    """Say that, and return what comes until the other side closes."""
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        for each in said:
            writer.write(each)
        await writer.drain()
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    "said",
    [
        pytest.param([b"GET / HTTP/1.1\r\n\r\n"], id="another protocol"),
        pytest.param([b"\xff" + bytes(8) + b"\x7f\x01" + bytes(60)], id="an old ZMTP"),
        pytest.param([GREETING.replace(b"NULL", b"PLAI"), READY], id="another mechanism"),
        pytest.param([GREETING, encode([b"hello"])], id="a message before the handshake"),
        pytest.param([GREETING, b"\x06\x00\x00\x00\x00\x7f\xff\xff\xff"], id="an endless command"),
        pytest.param([GREETING, encode_ready({b"Socket-Type": b"PUB"})], id="a socket of the wrong type"),
        pytest.param([GREETING, READY, b"\x02\x7f\xff\xff\xff\xff\xff\xff\xff"], id="an endless frame"),
        pytest.param([GREETING, READY, b"\x01\x00" * 100], id="too many frames"),
        pytest.param([GREETING, READY, b"\xf8\x00"], id="unknown flags"),
        pytest.param([GREETING, encode_command(b"READY", b"\x05Socke")], id="half a property"),
        pytest.param([GREETING], id="silence in the handshake"),
    ],
)
def test_a_peer_that_breaks_the_rules_is_disconnected(
    short_folder: Path, said: list[bytes | tuple[bytes, ...]]
) -> None:
    async def story() -> None:
        facade = Facade(
            "kernel",
            short_folder / "s" / "k",
            short_folder / "state",
            upward=lambda lane, frames: pytest.fail("nothing may arrive"),
            taken=lambda lane, number: None,
            limits=LIMITS,
        )
        await facade.open()
        try:
            flat = [each if isinstance(each, bytes) else b"".join(each) for each in said]
            answer = await talk(short_folder / "s" / "k-1", *flat)
            assert answer[:64] in (GREETING, b"")
        finally:
            await facade.close(forget=True)

    run(story())


def test_others_are_served_while_many_connect_and_say_nothing(short_folder: Path) -> None:
    async def story() -> None:
        async with opened(short_folder) as house:
            reading = await house.subscriber()
            crowd = [socket.socket(socket.AF_UNIX) for _ in range(400)]
            try:
                for each in crowd:
                    each.setblocking(False)
                    for _ in range(100):
                        try:
                            each.connect(f"{house.prefix}-1")
                            break
                        except BlockingIOError:
                            await asyncio.sleep(0)
                house.facade.deliver(Lane.IOPUB, 1, [b"t", b"still here"])
                assert await asyncio.wait_for(reading.recv_multipart(), 5) == [b"t", b"still here"]
            finally:
                for each in crowd:
                    each.close()
            shell = house.connect(zmq.DEALER, 1, b"late")
            await shell.send(b"hello")
            await until(lambda: bool(house.requests), "the late one is served")

    run(story())


@given(rubbish=st.binary(max_size=400), pieces=st.lists(st.integers(1, 50), max_size=20), shaken=st.booleans())
def test_the_decoder_answers_any_bytes_with_events_or_a_complaint(
    rubbish: bytes, pieces: list[int], shaken: bool
) -> None:
    decoder = Decoder(LIMITS)
    if shaken:
        _feed(decoder, GREETING + READY, [64])
        decoder.handshake_done()
    with contextlib.suppress(PeerMisbehaved):
        assert all(isinstance(event, Greeting | Command | Message) for event in _feed(decoder, rubbish, pieces))


@settings(max_examples=60, deadline=None)
@given(
    messages=st.lists(st.lists(st.sampled_from([0, 1, 255, 256, 4097, 70_000]), min_size=1, max_size=4), max_size=4),
    pieces=st.lists(st.sampled_from([1, 2, 9, 63, 1000, 65_536]), min_size=1, max_size=30),
)
def test_messages_survive_any_cutting_into_pieces(messages: list[list[int]], pieces: list[int]) -> None:
    sent = [[bytes([index]) * size for index, size in enumerate(sizes)] for sizes in messages]
    wire = b"".join(part for frames in sent for part in encode(frames))
    decoder = Decoder(LIMITS)
    greeted = _feed(decoder, GREETING + READY, [64])
    assert isinstance(greeted[0], Greeting)
    assert isinstance(greeted[1], Command)
    decoder.handshake_done()
    assert _feed(decoder, wire, pieces) == [Message(frames) for frames in sent]


def _feed(decoder: Decoder, data: bytes, pieces: list[int]) -> list[Greeting | Command | Message]:
    events: list[Greeting | Command | Message] = []
    at = 0
    turn = 0
    while at < len(data):
        space = decoder.space()
        size = min(pieces[turn % len(pieces)] if pieces else 64, space.nbytes, len(data) - at)
        space[:size] = data[at : at + size]
        events += decoder.received(size)
        at, turn = at + size, turn + 1
    return events
