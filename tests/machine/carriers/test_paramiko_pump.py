"""The shortcut between paramiko and the pipe: nothing lost, nothing reordered, nobody kept waiting."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator

import pytest

from jupyter_gpu_bridge.machine.carriers.paramiko_pump import BufferedWire, Outlet

pytestmark = pytest.mark.timeout(20)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(10)
        yield ours, theirs


def _drain(ours: socket.socket, count: int) -> bytes:
    found = bytearray()
    while len(found) < count:
        found += ours.recv(count - len(found))
    return bytes(found)


def test_what_is_fed_is_there_at_once(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    Outlet(theirs, 1 << 20).feed(b"now")
    assert ours.recv(10) == b"now"


def test_feeding_a_full_pipe_does_not_block_and_keeps_the_order(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    outlet = Outlet(theirs, 1 << 20)
    pieces = [os.urandom(100_000) for _ in range(40)]
    for piece in pieces:
        outlet.feed(piece)
    assert len(outlet) > 1_000_000
    outlet.close()
    credited: list[int] = []

    def credit() -> None:
        while given := len(outlet.read(1 << 18)):
            credited.append(given)

    reader = threading.Thread(target=credit)
    reader.start()
    assert _drain(ours, 4_000_000) == b"".join(pieces)
    reader.join(10)
    assert not reader.is_alive()
    assert len(outlet) == 0


def test_the_far_side_may_send_as_much_more_as_was_handed_on(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    outlet = Outlet(theirs, 80_000)
    credited = 0
    for _ in range(50):
        outlet.feed(bytes(10_000))
        _drain(ours, 10_000)
        credited += len(outlet.read(1 << 18))
    assert credited == 500_000


def test_nothing_more_may_be_sent_while_nobody_reads(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    outlet = Outlet(theirs, 8_000_000)
    outlet.feed(bytes(8_000_000))
    answered = threading.Event()

    def credit() -> None:
        outlet.read(1 << 18)
        answered.set()

    threading.Thread(target=credit, daemon=True).start()
    assert not answered.wait(0.3)
    _drain(ours, 8_000_000)
    assert answered.wait(5)


def test_our_end_gone_is_the_end(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    outlet = Outlet(theirs, 1 << 20)
    ours.close()
    outlet.feed(b"x")
    assert len(outlet.read(1)) == 0


def test_the_wire_reads_ahead_and_hands_out_what_is_asked_for(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    wire = BufferedWire(theirs)
    ours.sendall(b"0123456789")
    assert [wire.recv(4), wire.recv(4), wire.recv(4)] == [b"0123", b"4567", b"89"]
    ours.sendall(b"more")
    assert wire.recv(100) == b"more"
    ours.close()
    assert wire.recv(1) == b""
    wire.settimeout(0.1)
    wire.close()
    assert theirs.fileno() == -1
