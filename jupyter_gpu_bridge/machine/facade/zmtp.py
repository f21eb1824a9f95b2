"""The wire: ZMTP 3.0 with the NULL mechanism, as bytes in and events out, without any socket.

We announce minor version 0, so that libzmq sends subscriptions as plain messages (`\\x01` + topic) and not as the
commands of 3.1. Every size is limited before memory is set aside for it; what breaks a rule raises `PeerMisbehaved`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from jupyter_gpu_bridge.errors import PeerMisbehaved

Frames = Sequence[bytes | memoryview]
Wire = tuple[bytes | memoryview, ...]

GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)

_MORE, _LONG, _COMMAND = 1, 2, 4
_SCRATCH = 1 << 16
_JOINED = 4096
"""Frames up to this size are copied next to their header: one buffer is cheaper than two."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a peer may send."""

    message: int = 512 << 20
    frames: int = 4096
    command: int = 4096
    handshake_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Greeting:
    """The peer speaks ZMTP 3 and asks for no security."""


@dataclass(frozen=True, slots=True)
class Command:
    name: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Message:
    frames: list[bytes]


Event = Greeting | Command | Message


def encode(frames: Frames) -> Wire:
    """The bytes of one message, as few buffers as possible; big frames are not copied."""
    wire: list[bytes | memoryview] = []
    small: list[bytes | memoryview] = []
    last = len(frames) - 1
    for index, frame in enumerate(frames):
        size = len(frame) if isinstance(frame, bytes) else frame.nbytes
        more = _MORE if index < last else 0
        small.append(bytes((more, size)) if size < 256 else struct.pack(">BQ", more | _LONG, size))
        if size <= _JOINED:
            small.append(frame)
            continue
        wire += (b"".join(small), frame)
        small = []
    if small:
        wire.append(b"".join(small))
    return tuple(wire)


def split(wire: Wire) -> tuple[Wire, bytes]:
    """All but the last byte, and the last byte."""
    last = wire[-1]
    if isinstance(last, bytes) and len(last) <= _JOINED:
        return (*wire[:-1], last[:-1]), last[-1:]
    view = memoryview(last).cast("B")
    return (*wire[:-1], view[:-1]), bytes(view[-1:])


def before(frame: bytes, wire: Wire) -> Wire:
    """A message with one more frame, a short one, in front."""
    return _joined(bytes((_MORE, len(frame))) + frame, wire)


def insert(wire: Wire, frame: bytes) -> Wire:
    """A message with one more frame, a short one, after its first; as it is when the first is its last, or long."""
    view = memoryview(wire[0]).cast("B")
    end = 9 + int.from_bytes(view[1:9], "big") if view[0] & _LONG else 2 + view[1]
    if not view[0] & _MORE or end > view.nbytes:
        return wire
    return _joined(b"".join((view[:end], bytes((_MORE, len(frame))), frame)), (view[end:], *wire[1:]))


def _joined(head: bytes, rest: Wire) -> Wire:
    first = memoryview(rest[0])
    if first.nbytes <= _JOINED:
        return (b"".join((head, first)), *rest[1:])
    return (head, *rest)


def encode_command(name: bytes, body: bytes) -> bytes:
    payload = bytes((len(name),)) + name + body
    if len(payload) < 256:
        return bytes((_COMMAND, len(payload))) + payload
    return struct.pack(">BQ", _COMMAND | _LONG, len(payload)) + payload


def encode_ready(properties: Mapping[bytes, bytes]) -> bytes:
    body = b"".join(
        bytes((len(name),)) + name + struct.pack(">I", len(value)) + value for name, value in properties.items()
    )
    return encode_command(b"READY", body)


def decode_ready(body: bytes) -> dict[bytes, bytes]:
    """The properties of a READY command; names are case-insensitive and come back in lower case."""
    found: dict[bytes, bytes] = {}
    at = 0
    while at < len(body):
        name_end = at + 1 + body[at]
        value_at = name_end + 4
        if value_at > len(body):
            raise PeerMisbehaved("A READY command ends in the middle of a property.")
        value_end = value_at + int.from_bytes(body[name_end:value_at], "big")
        if value_end > len(body):
            raise PeerMisbehaved("A READY command ends in the middle of a property.")
        found[body[at + 1 : name_end].lower()] = body[value_at:value_end]
        at = value_end
    return found


def first_frame(wire: bytes | memoryview) -> bytes:
    """The first frame of an encoded message: on iopub, its topic."""
    view = memoryview(wire)
    if view[0] & _LONG:
        return bytes(view[9 : 9 + int.from_bytes(view[1:9], "big")])
    return bytes(view[2 : 2 + view[1]])


class Decoder:
    """Turns what a socket receives into events. Receive into `space()`, then say how much with `received`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._scratch = memoryview(bytearray(_SCRATCH))
        self._start = self._end = 0
        self._greeted = False
        self._ready = False
        self._flags = 0
        self._body: bytearray | None = None
        self._filled = 0
        self._frames: list[bytes] = []
        self._size = 0

    def handshake_done(self) -> None:
        """From here on messages are allowed."""
        self._ready = True

    def space(self) -> memoryview:
        """Where the next bytes belong: a big frame is received in place."""
        if self._body is not None:
            return memoryview(self._body)[self._filled :]
        if self._start:
            left = self._end - self._start
            self._scratch[:left] = bytes(self._scratch[self._start : self._end])
            self._start, self._end = 0, left
        return self._scratch[self._end :]

    def received(self, count: int) -> Iterator[Event]:
        if self._body is not None:
            self._filled += count
            if self._filled < len(self._body):
                return
            body, self._body = bytes(self._body), None
            yield from self._frame(self._flags, body)
        else:
            self._end += count
        if not self._greeted:
            if not self._greeting_complete():
                return
            yield Greeting()
        while (header := self._header()) is not None:
            flags, size, start = header
            self._check(flags, size)
            available = min(size, self._end - start)
            if available < size:
                self._flags, self._body, self._filled = flags, bytearray(size), available
                self._body[:available] = self._scratch[start : start + available]
                self._start = self._end = 0
                return
            self._start = start + size
            yield from self._frame(flags, bytes(self._scratch[start : start + size]))

    def _greeting_complete(self) -> bool:
        seen = bytes(self._scratch[: min(self._end, 64)])
        if seen[:1] != b"\xff" or (len(seen) >= 10 and not seen[9] & 1) or (len(seen) >= 11 and seen[10] < 3):
            raise PeerMisbehaved("The peer does not speak ZMTP 3.")
        if len(seen) < 64:
            return False
        if seen[12:32].rstrip(b"\0") != b"NULL":
            raise PeerMisbehaved("The peer asks for a security mechanism that is not offered here.")
        self._greeted = True
        self._start = 64
        return True

    def _header(self) -> tuple[int, int, int] | None:
        left = self._end - self._start
        if left < 2:
            return None
        flags = self._scratch[self._start]
        if not flags & _LONG:
            return flags, self._scratch[self._start + 1], self._start + 2
        if left < 9:
            return None
        return flags, int.from_bytes(self._scratch[self._start + 1 : self._start + 9], "big"), self._start + 9

    def _check(self, flags: int, size: int) -> None:
        if flags & ~(_MORE | _LONG | _COMMAND):
            raise PeerMisbehaved("A frame carries flags that do not exist.")
        if flags & _COMMAND:
            if flags & _MORE or size > self._limits.command:
                raise PeerMisbehaved("A command is longer than any honest one.")
            return
        if not self._ready:
            raise PeerMisbehaved("A message came before the handshake was complete.")
        self._size += size
        if self._size > self._limits.message or len(self._frames) >= self._limits.frames:
            raise PeerMisbehaved("A message is larger than what is allowed here.")

    def _frame(self, flags: int, body: bytes) -> Iterator[Event]:
        if flags & _COMMAND:
            if not body or 1 + body[0] > len(body):
                raise PeerMisbehaved("A command has no name.")
            yield Command(body[1 : 1 + body[0]], body[1 + body[0] :])
            return
        self._frames.append(body)
        if flags & _MORE:
            return
        frames, self._frames, self._size = self._frames, [], 0
        yield Message(frames)
