"""A carrier whose pipe is a child process: its standard input and output are one end of a socket pair.

The child leads a session of its own, so a Ctrl-C in the user's terminal does not reach it, and it is ended by its id.
What it says on standard error is kept (the last of it) to explain its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Mapping, Sequence

_TAIL_LIMIT = 16 * 1024
_BUFFER = 4 * 1024 * 1024
_PATIENCE = 1.0
"""Seconds that a child has to end by itself before it is killed."""

Explain = Callable[[int, str], str]
"""Given the exit status and the last of standard error, one sentence on why it ended."""


def wide_pair() -> tuple[socket.socket, socket.socket]:
    """A socket pair with room for much; the first end is ours and does not block."""
    ours, theirs = socket.socketpair()
    for each in (ours, theirs):
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            # The kernel grants what its administrator allows; macOS refuses what is beyond it.
            with contextlib.suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
    ours.setblocking(False)
    return ours, theirs


class _Watch(asyncio.SubprocessProtocol):
    """Notes what the child says on standard error, and its end."""

    def __init__(self) -> None:
        self.exited = asyncio.Event()
        self.hushed = asyncio.Event()
        self._tail = bytearray()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._tail += data
        del self._tail[:-_TAIL_LIMIT]

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self.hushed.set()

    def process_exited(self) -> None:
        self.exited.set()

    @property
    def said(self) -> str:
        return self._tail.decode(errors="replace")


class ProcessCarrier:
    """A live child; made by `start`."""

    def __init__(
        self, ours: socket.socket, transport: asyncio.SubprocessTransport, watch: _Watch, explain: Explain
    ) -> None:
        self.reader = self.writer = ours.fileno()
        self.socket = ours
        self._transport = transport
        self._watch = watch
        self._explain = explain

    @classmethod
    async def start(
        cls, argv: Sequence[str], *, explain: Explain, environment: Mapping[str, str] | None = None
    ) -> ProcessCarrier:
        """Raises `OSError` when the program cannot be run; cancelling leaves no process."""
        ours, theirs = wide_pair()
        try:
            transport, watch = await asyncio.get_running_loop().subprocess_exec(
                _Watch,
                *argv,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
                env=environment,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return cls(ours, transport, watch, explain)

    @property
    def pid(self) -> int:
        return self._transport.get_pid()

    async def ending(self, patience: float = _PATIENCE) -> tuple[int, str] | None:
        """Exit status and last words, once it has ended; `None` when it lives on after so many seconds."""
        try:
            await asyncio.wait_for(self._watch.exited.wait(), patience)
        except asyncio.TimeoutError:
            return None
        # Its last words may still be in the pipe; a grandchild that holds the pipe open must not keep us.
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._watch.hushed.wait(), 0.25)
        status = self._transport.get_returncode()
        return (-1 if status is None else status), self._watch.said

    @property
    def said(self) -> str:
        """The last of what it said on standard error so far."""
        return self._watch.said

    async def why_ended(self) -> str:
        ending = await self.ending()
        return "" if ending is None else self._explain(*ending)

    async def close(self) -> None:
        self.socket.close()
        try:
            for number in (signal.SIGTERM, signal.SIGKILL):
                if self._watch.exited.is_set():
                    break
                # It leads its own group and is not reaped yet, so the number can only mean it and its children.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, number)
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._watch.exited.wait(), _PATIENCE)
        finally:
            self._transport.close()
