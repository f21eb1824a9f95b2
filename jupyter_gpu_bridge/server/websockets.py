"""Websockets that give receipts: what the page has, a killed server need not be asked about.

The connection class of the server, whichever it is, is extended by a line of writing for each message that came from a
kernel of ours; see `machine/facade/receipts`. Other kernels are not touched.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zmq

from jupyter_gpu_bridge.model import Lane
from jupyter_gpu_bridge.server.lateness import Lateness

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable

    from jupyter_gpu_bridge.bridge import Bridge, Receipts, Stamp


def with_receipts(connection_class: type[Any], bridge: Callable[[], Bridge]) -> type[Any]:
    """The class to use in place of that one; the bridge is called for when there is a kernel of ours first."""

    class ReceiptingConnection(connection_class):  # type: ignore[misc]
        _writer: ReceiptWriter | None = None
        _is_pardoned = False

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self._lateness = Lateness(self)

        def connect(self) -> Any:
            kernel = self.kernel_manager
            if kernel.transport == "ipc":
                self._open_receipts(Path(kernel.ip))
            return super().connect()

        def _open_receipts(self, prefix: Path) -> None:
            try:
                receipts = bridge().receipts(prefix, self.session.bsession)
            except OSError as problem:
                self.log.warning("Should this server be killed, a few outputs may be lost: %s", problem)
                return
            if receipts is not None:
                self._writer = ReceiptWriter(receipts, self.websocket_handler)

        def create_stream(self) -> None:
            super().create_stream()
            if self._writer is not None:
                self.channels["iopub"].setsockopt(zmq.SUBSCRIBE, self._writer.topic_of(self.session.bsession))

        def handle_outgoing_message(self, stream: Any, outgoing_msg: list[Any]) -> None:
            writer = self._writer
            stamp = writer.stamp_on(outgoing_msg) if writer is not None else None
            if writer is None or stamp is None:
                self._is_pardoned = False
                super().handle_outgoing_message(stream, outgoing_msg)
                return
            self._is_pardoned = self._lateness.pardons(stamp.born, outgoing_msg)
            super().handle_outgoing_message(stream, outgoing_msg)
            writer.passed_on(stream if isinstance(stream, str) else stream.channel, stamp.number)

        def _limit_rate(self, *message: Any) -> bool:
            return not self._is_pardoned and super()._limit_rate(*message)

        def disconnect(self) -> None:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            super().disconnect()

    ReceiptingConnection.__name__ = ReceiptingConnection.__qualname__ = connection_class.__name__
    return ReceiptingConnection


class ReceiptWriter:
    """Of one websocket."""

    def __init__(self, receipts: Receipts, websocket: Any) -> None:
        self._receipts = receipts
        self._websocket = websocket
        self._under_way: deque[tuple[Lane, int]] = deque()
        """What tornado holds, because the page reads more slowly than the kernel speaks."""
        self._is_open = True

    def topic_of(self, session: bytes) -> bytes:
        return self._receipts.topic_of(session)

    def stamp_on(self, message: list[Any]) -> Stamp | None:
        return self._receipts.stamp_on(message)

    def passed_on(self, channel: str, number: int) -> None:
        """Called when a message was written to the websocket, or dropped on purpose."""
        protocol = self._websocket.ws_connection
        if not self._is_open or protocol is None or protocol.is_closing():
            return
        if not protocol.stream.writing():
            self._receipts.store(Lane(channel), number)
            return
        self._under_way.append((Lane(channel), number))
        if len(self._under_way) == 1:
            self._wait_for(protocol.stream)

    def close(self) -> None:
        self._is_open = False
        self._under_way.clear()
        self._receipts.close()

    def _wait_for(self, stream: Any) -> None:
        count = len(self._under_way)

        def written(future: Future[None]) -> None:
            if not self._is_open or future.cancelled() or future.exception() is not None:
                return
            for _ in range(count):
                self._receipts.store(*self._under_way.popleft())
            if self._under_way and not stream.closed():
                self._wait_for(stream)

        # Nothing, behind everything that waits already: it is written when all that is.
        stream.write(b"").add_done_callback(written)
