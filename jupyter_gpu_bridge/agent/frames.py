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
CHUNK = 256 * 1024
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


_KINDS = {int(kind): kind for kind in Kind}
_DATA = int(Kind.DATA)
"""For what is done for each frame: looking into an enumeration takes its time."""
NUMBER = struct.Struct("<Q")


def head(kind: Kind, channel: int, size: int, *, bulk: bool = False) -> bytes:
    """The header of a frame whose payload has `size` bytes."""
    return HEADER.pack(kind, bulk, channel, size)


def frame(kind: Kind, channel: int = 0, payload: Buffer = b"") -> list[Buffer]:
    """The buffers of one frame, ready for a gathering write."""
    start = head(kind, channel, len(payload))
    return [start, payload] if payload else [start]


class FrameReader:
    """Cuts a byte stream into frames. What it yields is valid until the next `feed`.

    The payload of a DATA frame is passed on as it comes, in as many pieces as it happens to arrive in, so that nothing
    big is ever copied here; all others are yielded whole.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data_left = 0
        self._channel = 0
        self._bulk = False

    def feed(self, data: memoryview) -> Iterator[tuple[Kind, int, bool, memoryview]]:
        """Every whole frame, and every piece of data, in what has come so far; raises `WireError`."""
        at, size = 0, len(data)
        while at < size:
            if self._data_left:
                end = min(size, at + self._data_left)
                self._data_left -= end - at
                yield Kind.DATA, self._channel, self._bulk, data[at:end]
                at = end
            elif self._rest or size - at < HEADER.size:
                at += self._complete(data[at:])
                if len(self._rest) >= HEADER.size and not self._lacking():
                    frame, self._rest = memoryview(bytes(self._rest)), bytearray()
                    code, bulk, channel, _ = HEADER.unpack_from(frame)
                    yield _KINDS[code], channel, bool(bulk), frame[HEADER.size :]
            else:
                code, bulk, channel, length = self._head(data, at)
                end = at + HEADER.size + length
                if code == _DATA:
                    self._data_left, self._channel, self._bulk = length, channel, bool(bulk)
                    at += HEADER.size
                elif end > size:
                    self._rest += data[at:]
                    return
                else:
                    yield _KINDS[code], channel, bool(bulk), data[at + HEADER.size : end]
                    at = end

    def _complete(self, data: memoryview) -> int:
        """Add to a frame that was cut in two; how many bytes it took. A DATA frame is done with its header."""
        taken = 0
        if len(self._rest) < HEADER.size:
            taken = min(HEADER.size - len(self._rest), len(data))
            self._rest += data[:taken]
            if len(self._rest) < HEADER.size:
                return taken
            code, bulk, channel, length = self._head(self._rest, 0)
            if code == Kind.DATA:
                self._data_left, self._channel, self._bulk = length, channel, bool(bulk)
                self._rest = bytearray()
                return taken
        more = min(self._lacking(), len(data) - taken)
        self._rest += data[taken : taken + more]
        return taken + more

    def _lacking(self) -> int:
        """How many bytes the frame in `_rest` still lacks."""
        length: int = HEADER.unpack_from(self._rest)[3]
        return HEADER.size + length - len(self._rest)

    def _head(self, data: Buffer, at: int) -> tuple[int, int, int, int]:
        code, bulk, channel, length = HEADER.unpack_from(data, at)
        if length > CHUNK or bulk > 1 or code not in _KINDS:
            raise WireError(f"a frame of kind {code} and {length} bytes")
        return code, bulk, channel, length
