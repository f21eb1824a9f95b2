"""The frames that share one carrier: a fixed header, then a payload whose size is bounded.

A hostile peer may send anything. `FrameReader` never holds more than one frame and gives up with `WireError` at the
first thing that no honest peer sends.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Iterator, Union

VERSION = 1
HEADER = struct.Struct("<BBHI")
CHUNK = 64 * 1024
"""Most bytes in one frame: small enough that something urgent never waits long behind it."""

Buffer = Union[bytes, bytearray, memoryview]


class WireError(Exception):
    """The peer sent what no honest peer sends; the wire has to be closed."""


class Kind(IntEnum):
    HELLO = 1
    """First frame of each side: JSON with the protocol version and who speaks."""
    OPEN = 2
    """A new channel: JSON that names the service and its arguments."""
    DATA = 3
    CLOSE = 4
    """The end of a channel: JSON, empty or with the reason."""
    WINDOW = 5
    """The receiver can take so many more bytes on this channel (u64)."""
    RECEIVED = 6
    """How many bulk bytes have come out of the carrier so far (u64); what pacing steers by."""
    PING = 7
    PONG = 8


NUMBER = struct.Struct("<Q")


def head(kind: Kind, channel: int, size: int, *, bulk: bool = False) -> bytes:
    """The header of a frame whose payload has `size` bytes."""
    return HEADER.pack(kind, bulk, channel, size)


def frame(kind: Kind, channel: int = 0, payload: Buffer = b"") -> list[Buffer]:
    """The buffers of one frame, ready for a gathering write."""
    start = head(kind, channel, len(payload))
    return [start, payload] if payload else [start]


class FrameReader:
    """Cuts a byte stream into frames. The payloads it yields are views that are valid until the next `feed`."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: memoryview) -> Iterator[tuple[Kind, int, bool, memoryview]]:
        """Every whole frame in what has come so far; raises `WireError`."""
        if self._rest:
            self._rest += data
            view = memoryview(bytes(self._rest))
        else:
            view = data
        at = 0
        size = len(view)
        while size - at >= HEADER.size:
            code, bulk, channel, length = HEADER.unpack_from(view, at)
            if length > CHUNK or bulk > 1 or not Kind.HELLO <= code <= Kind.PONG:
                raise WireError(f"a frame of kind {code} and {length} bytes")
            end = at + HEADER.size + length
            if end > size:
                break
            yield Kind(code), channel, bool(bulk), view[at + HEADER.size : end]
            at = end
        self._rest = bytearray(view[at:])
