"""A channel: numbered, acknowledged records in both directions, over whatever carrier there is now.

Both ends hold one of these for as long as what they connect lives. Each carrier gives it a fresh byte stream; the first
thing said on it is "I have everything up to N, and have handed on everything up to M", and then it goes on behind N and
forgets what is up to M. So a record comes out at the other side once and in order, whatever the carrier did: cut in the
middle of a byte, stalled, or replaced; and what was only received is still kept here should the other side be killed.
"""

from __future__ import annotations

import json
import struct
import time
from typing import Any, Callable, Protocol, Sequence

from jupyter_gpu_bridge.agent.frames import CHUNK, Buffer, WireError
from jupyter_gpu_bridge.agent.outbox import Outbox
from jupyter_gpu_bridge.agent.spool import Record

_HEAD = struct.Struct("<BxxxIQQ")
_HELLO, _RECORD, _ACKNOWLEDGE = 1, 2, 3
MOST_RECORD = 1 << 30
MOST_HELLO = 32 * 1024
MOST_NUMBER = 1 << 62
SET_ASIDE = 4 * 1024 * 1024
"""Most memory that is taken for a record when only its size has come."""
JOINED = 8 * 1024
"""Up to this size, the pieces of a record are copied into one."""


class Transport(Protocol):
    """The byte stream under a channel, as far as the channel needs it."""

    def wake(self) -> None:
        """There is something to pull."""

    def wake_soon(self) -> None:
        """There is something to pull that can wait for company."""

    def consumed(self, size: int) -> None: ...


class Channel:
    """One end. `received` is called for each record of the other side, once and in order."""

    def __init__(
        self,
        outbox: Outbox,
        received: Callable[[int, float, memoryview], None],
        *,
        have: int = 0,
        hello: Callable[[], dict[str, Any]] = dict,
        greeted: Callable[[dict[str, Any]], None] | None = None,
        parted: Callable[[dict[str, str]], None] | None = None,
        most_record: int = MOST_RECORD,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`have`: what is taken over already of the other side. `received` gets number, age in seconds, bytes."""
        self.outbox = outbox
        self.have = have
        self._received = received
        self._hello = hello
        self._greeted = greeted
        self._parted = parted
        self._most_record = most_record
        self._clock = clock
        self._taken = have
        self._transport: Transport | None = None
        self._paused = False
        self._owed = 0
        self._restart()

    # what is above -------------------------------------------------------------------------------------------------

    def send(self, pieces: Sequence[Buffer]) -> int:
        """Say one record; it is kept until it is acknowledged."""
        number = self.outbox.put(pieces)
        self.wake()
        return number

    def take(self, number: int) -> None:
        """Everything up to `number` was handed on: acknowledge it."""
        if number > self._taken:
            self._taken = number
            self._acknowledge = True
            if self._transport is not None:
                self._transport.wake_soon()

    def pause(self) -> None:
        """Let the other side wait: no more window until `resume`."""
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        if self._owed and self._transport is not None:
            owed, self._owed = self._owed, 0
            self._transport.consumed(owed)

    @property
    def is_connected(self) -> bool:
        """Whether the other side has said hello on the present stream."""
        return self._transport is not None and self._greeting_done

    # what is below -------------------------------------------------------------------------------------------------

    def connect(self, transport: Transport) -> None:
        """A fresh stream; whatever was under way on the last one is sent again."""
        self._restart()
        self._transport = transport
        words = {"have": self.have, "taken": self._taken, "from": self.outbox.acknowledged + 1, **self._hello()}
        hello = json.dumps(words).encode()
        self._control.append(_HEAD.pack(_HELLO, 0, 0, len(hello)) + hello)
        self.wake()

    def disconnect(self) -> None:
        self._transport = None
        self._restart()

    def wake(self) -> None:
        if self._transport is not None:
            self._transport.wake()

    def pull(self, limit: int) -> list[Buffer]:
        """At most `limit` bytes to send now."""
        batch: list[Buffer] = []
        room = limit
        while room > 0:
            if not self._pieces and not self._load():
                break
            piece = self._pieces[0]
            if len(piece) <= room:
                batch.append(piece)
                room -= len(piece)
                self._pieces.pop(0)
            else:
                batch.append(piece[:room])
                self._pieces[0] = piece[room:]
                room = 0
        return batch

    def push(self, data: memoryview) -> None:
        """Bytes of the other side; raises `WireError` for what no honest peer sends."""
        size = len(data)
        at = 0
        while at < size:
            if self._body is None:
                at += self._fill_head(data, at)
            else:
                wanted = min(self._missing, size - at)
                self._place(self._body, data[at : at + wanted])
                at += wanted
        if self._paused:
            self._owed += size
        elif self._transport is not None:
            self._transport.consumed(size)

    # Endpoint of a mux: a channel is its own endpoint ----------------------------------------------------------------

    def ended(self, reason: dict[str, str]) -> None:
        """The stream is gone; the records are not."""
        self.disconnect()
        if self._parted is not None:
            self._parted(reason)

    # inside --------------------------------------------------------------------------------------------------------

    def _restart(self) -> None:
        self._control: list[Buffer] = []
        self._pieces: list[memoryview] = []
        self._head = bytearray()
        self._kind = 0
        self._age = 0
        self._number = 0
        self._missing = 0
        self._body: bytearray | None = None
        self._filled = 0
        self._greeting_done = False
        self._acknowledge = self._taken > 0
        self._owed = 0

    def _load(self) -> bool:
        """Put what is to be said next into `_pieces`."""
        if self._control:
            self._pieces = [memoryview(piece) for piece in self._control]
            self._control = []
            return True
        if not self._greeting_done:
            return False
        if self._acknowledge:
            self._acknowledge = False
            self._pieces = [memoryview(_HEAD.pack(_ACKNOWLEDGE, 0, self._taken, 0))]
            return True
        record = self.outbox.next()
        if record is None:
            return False
        head = self._head_of(record)
        if record.size <= JOINED:
            self._pieces = [memoryview(b"".join([head, *record.pieces]))]
        else:
            self._pieces = [memoryview(head)]
            self._pieces += [memoryview(piece).cast("B") for piece in record.pieces if len(piece)]
        return True

    def _head_of(self, record: Record) -> bytes:
        age = min(0xFFFFFFFF, max(0, int((self._clock() - record.born) * 1000)))
        return _HEAD.pack(_RECORD, age, record.number, record.size)

    def _fill_head(self, data: memoryview, at: int) -> int:
        if not self._head and len(data) - at >= _HEAD.size:
            self._kind, self._age, self._number, length = _HEAD.unpack_from(data, at)
            self._begin(length)
            return _HEAD.size
        wanted = min(_HEAD.size - len(self._head), len(data) - at)
        self._head += data[at : at + wanted]
        if len(self._head) == _HEAD.size:
            self._kind, self._age, self._number, length = _HEAD.unpack(self._head)
            self._head = bytearray()
            self._begin(length)
        return wanted

    def _begin(self, length: int) -> None:
        if self._kind == _ACKNOWLEDGE and self._greeting_done and not length:
            if self._number > self.outbox.last:
                raise WireError(f"thanks for record {self._number}, which was never sent")
            self.outbox.acknowledge(self._number)
            return
        greeting = self._kind == _HELLO and not self._greeting_done and length <= MOST_HELLO
        record = self._kind == _RECORD and self._greeting_done and length <= self._most_record
        if not greeting and not record:
            raise WireError(f"a record of kind {self._kind} and {length} bytes")
        self._body = bytearray(min(length, SET_ASIDE))
        self._filled = 0
        self._missing = length
        if not length:
            self._finish()

    def _place(self, body: bytearray, data: memoryview) -> None:
        """The next bytes of the record that is coming in."""
        end = self._filled + len(data)
        if end > len(body):
            lacking = self._filled + self._missing - len(body)
            body = self._body = body + bytes(min(lacking, max(len(data), len(body))))
        body[self._filled : end] = data
        self._filled = end
        self._missing -= len(data)
        if not self._missing:
            self._finish()

    def _finish(self) -> None:
        body, self._body = self._body, None
        if body is None:
            return
        if self._kind == _HELLO:
            self._greet(bytes(body))
            return
        if self._number <= self.have:
            return
        if self._number != self.have + 1:
            raise WireError(f"record {self._number} after {self.have}")
        self.have = self._number
        self._received(self._number, self._age / 1000, memoryview(body))

    def _greet(self, body: bytes) -> None:
        try:
            hello = json.loads(body)
            have, taken, first = (int(hello[name]) for name in ("have", "taken", "from"))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            raise WireError("a greeting that makes no sense") from None
        if not 0 <= taken <= have < MOST_NUMBER or not 1 <= first < MOST_NUMBER:
            raise WireError("a greeting with impossible numbers")
        self._greeting_done = True
        # What the other side no longer has was acknowledged, by this end in an earlier life.
        self.have = max(self.have, first - 1)
        self._taken = max(self._taken, first - 1)
        self.outbox.rewind(taken, have)
        if self._greeted is not None:
            self._greeted(hello)
        self.wake()


def pack_frames(frames: Sequence[Buffer]) -> list[Buffer]:
    """A multipart message as the pieces of one record."""
    return [struct.pack(f"<I{len(frames)}Q", len(frames), *(len(part) for part in frames)), *frames]


def unpack_frames(record: memoryview) -> list[memoryview]:
    """The parts of a multipart message, as views; raises `WireError`."""
    try:
        (count,) = struct.unpack_from("<I", record)
        if count > CHUNK:
            raise WireError(f"a message of {count} parts")
        sizes = struct.unpack_from(f"<{count}Q", record, 4)
    except struct.error:
        raise WireError("a message that is too short") from None
    at = 4 + 8 * count
    parts = []
    for size in sizes:
        parts.append(record[at : at + size])
        at += size
    if at != len(record):
        raise WireError("a message whose parts do not add up")
    return parts
