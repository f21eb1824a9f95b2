"""Many channels over one carrier: urgent ones first, bulk paced, every receiver with a window of its own."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from typing import Any, Callable, Protocol

from jupyter_gpu_bridge.agent.duplex import Duplex
from jupyter_gpu_bridge.agent.frames import (
    CHUNK,
    NUMBER,
    VERSION,
    Buffer,
    FrameReader,
    Kind,
    WireError,
    frame,
    head,
)
from jupyter_gpu_bridge.agent.pacing import Pacing

WINDOW = 1024 * 1024
BULK_WINDOW = 16 * 1024 * 1024
MOST_CHANNELS = 4096
MOST_WAITING = 200_000
"""Buffers of control frames that a peer may make us owe it without reading them."""
GATHERED = 256 * 1024
"""How much is handed to one write; little enough that what becomes urgent meanwhile is not far behind."""

PATIENCE = 0.03
"""Seconds that acknowledgements wait for company: alone, each would cost as much as what it acknowledges."""
TOLD_EVERY, TOLD_PAUSE = 32 * 1024, 0.0005
"""Bulk bytes after which the sender is told at once how far they are, but not more often than this."""
MOST_UNTOLD = 128 * 1024
"""Bulk bytes after which it is told in any case: less than what the smallest window lets it send."""

URGENT, NORMAL, BULK = 0, 1, 2


class Endpoint(Protocol):
    """What stands at our side of a channel; the mux pulls from it and pushes into it."""

    def connect(self, transport: MuxChannel) -> None:
        """The channel is there; called once, before anything else."""

    def pull(self, limit: int) -> list[Buffer]:
        """At most `limit` bytes that are to be sent now; nothing when there is nothing, until `transport.wake()`.

        They stay as they are until it is asked again, and it is not asked again before they are written.
        """

    def push(self, data: memoryview) -> None:
        """Bytes came; the view is valid during the call. Say `transport.consumed(n)` once there is room again."""

    def ended(self, reason: dict[str, str]) -> None:
        """The channel is gone: closed by the peer (`reason` may say why), or with its carrier."""


class MuxChannel:
    """One channel of one carrier; dies with it."""

    def __init__(self, mux: Mux, number: int, urgency: int, endpoint: Endpoint) -> None:
        self._mux = mux
        self.number = number
        self.urgency = urgency
        self.endpoint = endpoint
        self.queued = False
        self.credit = window_of(urgency)
        self.allowed = window_of(urgency)
        self._eaten = 0

    def wake(self) -> None:
        """The endpoint has something to send."""
        self._mux.wake(self)

    def wake_soon(self) -> None:
        """The endpoint has something to send that can wait for company."""
        self._mux.wake_soon(self)

    def consumed(self, size: int) -> None:
        """The receiver has room for so many more bytes."""
        self._eaten += size
        if self._eaten * 4 >= window_of(self.urgency):
            self.allowed += self._eaten
            self._mux.grant(self.number, self._eaten)
            self._eaten = 0

    def close(self, reason: dict[str, str] | None = None) -> None:
        """End the channel from this side, if it is open; the endpoint is not told."""
        self._mux.close_channel(self, reason or {})


class Mux:
    """Speaks frames on a pair of descriptors; both ends are alike, but only the link opens channels."""

    def __init__(
        self,
        reader: int,
        writer: int,
        *,
        hello: dict[str, Any],
        greeted: Callable[[dict[str, Any]], None],
        ended: Callable[[str], None],
        opened: Callable[[dict[str, Any]], Endpoint] | None = None,
        first: bytes = b"",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`opened` makes the endpoint of a channel that the peer opens, or raises `Refusal`; `first` was read."""
        self._clock = clock
        self._greeted = greeted
        self._ended = ended
        self._opened = opened
        self._frames = FrameReader()
        self._pacing = Pacing(clock)
        self._channels: dict[int, MuxChannel] = {}
        self._ready: list[deque[MuxChannel]] = [deque(), deque(), deque()]
        self._control: list[Buffer] = []
        self._next = 1
        self._bulk_in = 0
        self._bulk_told = 0
        self._told_at = 0.0
        self._has_greeted = False
        self._pings: deque[float] = deque()
        self._feeding = False
        self._idle: set[MuxChannel] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.heard = clock()
        """When the peer was last heard."""
        self.round_trip: float | None = None
        self.is_open = True
        self._say(Kind.HELLO, payload=json.dumps({"version": VERSION, **hello}).encode())
        self._duplex = Duplex(reader, writer, received=self._receive, pull=self._pull, ended=self._end)
        self._duplex.wake()
        if first:
            self._receive(memoryview(first))

    def open(self, request: dict[str, Any], endpoint: Endpoint, urgency: int = NORMAL) -> MuxChannel:
        """A new channel to the service that `request` names; on a carrier that is gone it has ended already."""
        if not self.is_open:
            endpoint.ended({"code": "carrier", "what": ""})
            return MuxChannel(self, 0, urgency, endpoint)
        while self._next in self._channels:
            self._next = self._next % 0xFFFF + 1
        channel = MuxChannel(self, self._next, urgency, endpoint)
        self._channels[channel.number] = channel
        self._next = self._next % 0xFFFF + 1
        self._say(Kind.OPEN, channel.number, json.dumps({"urgency": urgency, **request}).encode())
        endpoint.connect(channel)
        self.wake(channel)
        return channel

    def ping(self) -> None:
        self._pings.append(self._clock())
        self._say(Kind.PING)
        self._wake()

    def wake(self, channel: MuxChannel) -> None:
        if not channel.queued and self.is_open:
            channel.queued = True
            self._ready[channel.urgency].append(channel)
        self._wake()

    def wake_soon(self, channel: MuxChannel) -> None:
        if self.is_open and not channel.queued:
            self._idle.add(channel)
            self._later()

    def grant(self, number: int, size: int) -> None:
        self._say(Kind.WINDOW, number, NUMBER.pack(size))
        self._wake()

    def close_channel(self, channel: MuxChannel, reason: dict[str, str]) -> None:
        if self._channels.get(channel.number) is channel and self.is_open:
            del self._channels[channel.number]
            self._say(Kind.CLOSE, channel.number, json.dumps(reason).encode() if reason else b"")
            self._wake()

    def close(self, reason: str = "") -> None:
        """Forget the carrier; every endpoint is told, `ended` is not called."""
        if self.is_open:
            self.is_open = False
            self._duplex.close()
            self._drop_channels(reason)

    # writing -------------------------------------------------------------------------------------------------------

    def _say(self, kind: Kind, channel: int = 0, payload: Buffer = b"") -> None:
        self._control += frame(kind, channel, payload)

    def _wake(self) -> None:
        if self.is_open and not self._feeding:
            self._duplex.wake()

    def _pull(self) -> list[Buffer]:
        batch, self._control = self._control, []
        room = GATHERED
        for ready in self._ready:
            for _ in range(len(ready)):
                if room <= 0:
                    return batch
                room -= self._take(ready.popleft(), batch, room)
        if batch and self._timer is not None:
            self._add_what_waits(batch)
        return batch

    def _add_what_waits(self, batch: list[Buffer]) -> None:
        """What waits for company has found it. No channel is asked twice: what it gave is not written yet."""
        self._stop_waiting()
        if self._bulk_in != self._bulk_told:
            self._tell_received()
        waiting, self._idle = self._idle, set()
        for channel in waiting:
            if not channel.queued:
                channel.queued = True
                self._take(channel, batch, GATHERED)
        batch += self._control
        self._control = []

    def _take(self, channel: MuxChannel, batch: list[Buffer], room: int) -> int:
        """Add one frame of this channel; 0 when it has nothing or may not, and then it is no longer queued."""
        limit = min(CHUNK, channel.credit)
        if channel.urgency == BULK:
            limit = min(limit, self._pacing.allowance)
        pieces = channel.endpoint.pull(limit) if limit > 0 and channel.number in self._channels else []
        size = sum(len(piece) for piece in pieces)
        if not size:
            channel.queued = False
            return 0
        channel.credit -= size
        if channel.urgency == BULK:
            self._pacing.note_sent(size)
        batch.append(head(Kind.DATA, channel.number, size, bulk=channel.urgency == BULK))
        batch += pieces
        if channel.number in self._channels:
            self._ready[channel.urgency].append(channel)
        return size

    # reading -------------------------------------------------------------------------------------------------------

    def _receive(self, data: memoryview) -> None:
        self.heard = self._clock()
        self._feeding = True
        try:
            for kind, number, bulk, payload in self._frames.feed(data):
                if bulk:
                    self._bulk_in += len(payload)
                self._handle(kind, number, payload)
                if not self.is_open:
                    return
        except Exception as error:
            # Whatever it was, the rest of these bytes is lost, and with it the place in the stream.
            why = str(error) if isinstance(error, WireError) else repr(error)
            self._end(f"the other end sent something that makes no sense ({why})")
            return
        finally:
            self._feeding = False
        untold = self._bulk_in - self._bulk_told
        if untold >= MOST_UNTOLD or (untold >= TOLD_EVERY and self.heard - self._told_at >= TOLD_PAUSE):
            self._tell_received()
        elif untold:
            self._later()
        self._wake()

    def _tell_received(self) -> None:
        self._bulk_told = self._bulk_in
        self._told_at = self.heard
        self._say(Kind.RECEIVED, payload=NUMBER.pack(self._bulk_in))

    def _later(self) -> None:
        """What can wait goes out together, a little later."""
        if self._timer is None and self.is_open:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._now)

    def _now(self) -> None:
        self._timer = None
        if self._bulk_in != self._bulk_told:
            self._tell_received()
        waiting, self._idle = self._idle, set()
        for channel in waiting:
            if not channel.queued:
                channel.queued = True
                self._ready[channel.urgency].append(channel)
        self._wake()

    def _handle(self, kind: Kind, number: int, payload: memoryview) -> None:
        if kind is Kind.HELLO:
            self._greet(json.loads(bytes(payload)))
            return
        if not self._has_greeted:
            raise WireError("a frame before the greeting")
        if len(self._control) > MOST_WAITING:
            raise WireError("questions whose answers it does not read")
        if kind is Kind.DATA:
            self._data(number, payload)
        elif kind is Kind.WINDOW:
            channel = self._channels.get(number)
            if channel is not None:
                channel.credit += NUMBER.unpack(payload)[0]
                self.wake(channel)
        elif kind is Kind.RECEIVED:
            self._pacing.note_arrived(NUMBER.unpack(payload)[0])
            for channel in self._channels.values():
                if channel.urgency == BULK:
                    self.wake(channel)
        elif kind is Kind.PING:
            self._say(Kind.PONG)
        elif kind is Kind.PONG:
            if not self._pings:
                raise WireError("an answer to a ping that was never sent")
            self.round_trip = self._clock() - self._pings.popleft()
        elif kind is Kind.OPEN:
            self._open_from_peer(number, json.loads(bytes(payload)))
        elif kind is Kind.CLOSE:
            channel = self._channels.pop(number, None)
            if channel is not None:
                reason = json.loads(bytes(payload)) if payload else {}
                channel.endpoint.ended({str(name): str(value) for name, value in dict(reason).items()})

    def _greet(self, hello: dict[str, Any]) -> None:
        if self._has_greeted or not isinstance(hello, dict):
            raise WireError("a second greeting")
        if hello.get("version") != VERSION:
            raise WireError(f"protocol version {hello.get('version')!r} instead of {VERSION}")
        self._has_greeted = True
        self._greeted(hello)

    def _data(self, number: int, payload: memoryview) -> None:
        channel = self._channels.get(number)
        if channel is None:
            return
        size = len(payload)
        channel.allowed -= size
        if channel.allowed < 0:
            raise WireError("more than the window of a channel")
        channel.endpoint.push(payload)

    def _open_from_peer(self, number: int, request: dict[str, Any]) -> None:
        if self._opened is None or number in self._channels or len(self._channels) >= MOST_CHANNELS:
            raise WireError("a channel that may not be opened")
        urgency = request["urgency"]
        if urgency not in (URGENT, NORMAL, BULK):
            raise WireError("a channel of unknown urgency")
        try:
            endpoint = self._opened(request)
        except Refusal as refusal:
            self._say(Kind.CLOSE, number, json.dumps(refusal.reason).encode())
            return
        channel = MuxChannel(self, number, urgency, endpoint)
        self._channels[number] = channel
        endpoint.connect(channel)
        self.wake(channel)

    def _end(self, reason: str) -> None:
        if self.is_open:
            self.is_open = False
            self._duplex.close()
            self._drop_channels(reason)
            self._ended(reason)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _drop_channels(self, reason: str) -> None:
        self._stop_waiting()
        self._idle.clear()
        channels, self._channels = list(self._channels.values()), {}
        for channel in channels:
            channel.endpoint.ended({"code": "carrier", "what": reason})


class Refusal(Exception):
    """A channel cannot be opened; the peer is told why."""

    def __init__(self, code: str, what: str, advice: str = "") -> None:
        super().__init__(what)
        self.reason = {"code": code, "what": what, "advice": advice}


def window_of(urgency: int) -> int:
    return BULK_WINDOW if urgency == BULK else WINDOW
