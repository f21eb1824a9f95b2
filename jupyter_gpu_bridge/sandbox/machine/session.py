"""One command that somebody runs over SSH: its three pipes, its end, and what it does to the channel."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

from paramiko import Channel, Message, SSHException
from paramiko.common import cMSG_CHANNEL_REQUEST

from jupyter_gpu_bridge.machine.carriers.paramiko_pump import Outlet
from jupyter_gpu_bridge.sandbox.machine.children import Children
from jupyter_gpu_bridge.sandbox.machine.pipes import Sink, Source, wide_pipe

_CHUNK = 256 * 1024
_PATIENCE = 2.0
"""Seconds to wait with the first output for the answer that says that the command runs."""


class _Inlet(Outlet):
    """Hands what arrives on to the command at once, and tells the session when the channel is gone."""

    def __init__(self, sink: Any, window: int, on_close: Callable[[], None]) -> None:
        super().__init__(sink, window)
        self._on_close = on_close

    def close(self) -> None:
        """Called by paramiko at the end of the input, and again at the end of the channel."""
        super().close()
        self._on_close()


class Session:
    """Threads move the bytes, one for each pipe; the last of them closes the channel."""

    def __init__(self, channel: Channel, command: str, children: Children) -> None:
        """Starts the command; raises `OSError`. Called by paramiko's thread, so it must not wait for the channel."""
        self._channel = channel
        self.replied = threading.Event()
        """Set when the client was told that the command runs."""
        self._lock = threading.Lock()
        self._left = 3  # two outputs, and the command itself
        theirs, ours = zip(*(_turned(index) for index in range(3)), strict=True)
        try:
            self._sink = Sink(ours[0])
            self._sources = [Source(each) for each in ours[1:]]
            children.start(["/bin/sh", "-c", command], (theirs[0], theirs[1], theirs[2]), self._ended)
        except OSError:
            for each in ours:
                os.close(each)
            raise
        finally:
            for each in theirs:
                os.close(each)
        channel.in_buffer = _Inlet(self._sink, channel.in_window_size, self._look)  # type: ignore[assignment]
        self._run("input", self._feed)
        self._run("output", lambda: self._drain(self._sources[0], channel.sendall))
        self._run("errors", lambda: self._drain(self._sources[1], channel.sendall_stderr))

    # the pipes: each in a thread of its own ------------------------------------------------------------------------

    def _feed(self) -> None:
        try:
            while self._channel.recv(_CHUNK):
                pass  # the inlet hands on; this only lets the client send more
        finally:
            self._sink.close()

    def _drain(self, source: Source, send: Callable[[Any], None]) -> None:
        try:
            self.replied.wait(_PATIENCE)
            while data := source.read():
                send(memoryview(data))
        finally:
            source.close()
            self._done()

    # the end -------------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """The client is gone, or only its input has ended: in the first case the pipes break, as with any sshd."""
        if self._channel.closed:
            self._sink.stop()
            for source in self._sources:
                source.stop()

    def _ended(self, status: int) -> None:
        self._run("status", lambda: self._tell(status))

    def _tell(self, status: int) -> None:
        try:
            self.replied.wait(_PATIENCE)
            if self._channel.closed:
                return
            if status >= 0:
                self._channel.send_exit_status(status)
            else:
                self._send_signal(-status)
        finally:
            self._done()

    def _done(self) -> None:
        with self._lock:
            self._left -= 1
            is_last = self._left == 0
        if is_last:
            self._channel.close()

    def _send_signal(self, number: int) -> None:
        """Paramiko has no word for it: RFC 4254, section 6.10."""
        message = Message()
        message.add_byte(cMSG_CHANNEL_REQUEST)
        message.add_int(self._channel.remote_chanid)
        message.add_string("exit-signal")
        message.add_boolean(False)
        message.add_string(signal.Signals(number).name.removeprefix("SIG"))
        message.add_boolean(False)
        message.add_string("")
        message.add_string("")
        transport: Any = self._channel.get_transport()
        transport._send_user_message(message)

    def _run(self, name: str, work: Callable[[], None]) -> None:
        threading.Thread(target=_quietly, args=(work,), name=name, daemon=True).start()


def _turned(index: int) -> tuple[int, int]:
    """A pipe, the command's end first."""
    reader, writer = wide_pipe()
    return (reader, writer) if index == 0 else (writer, reader)


def _quietly(work: Callable[[], None]) -> None:
    """The end of the connection meets every thread as an error."""
    with contextlib.suppress(OSError, EOFError, SSHException):
        work()
