"""The carrier that is paramiko: SSH within this process, for computers without `ssh` and for keys with a passphrase.

Paramiko works in threads; two of them move the bytes between its channel and a socket pair.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from jupyter_gpu_bridge.errors import BridgeError, Unreachable
from jupyter_gpu_bridge.in_time import in_time
from jupyter_gpu_bridge.machine.carriers import diagnosis
from jupyter_gpu_bridge.machine.carriers.accepted import wait_for_mark, with_mark
from jupyter_gpu_bridge.machine.carriers.in_thread import in_thread
from jupyter_gpu_bridge.machine.carriers.knock import answers
from jupyter_gpu_bridge.machine.carriers.paramiko_login import Login
from jupyter_gpu_bridge.machine.carriers.process import ProcessCarrier, wide_pair
from jupyter_gpu_bridge.machine.carriers.route import Hop, find_route
from jupyter_gpu_bridge.machine.carriers.target import CONNECT_TIMEOUT, SshTarget

if TYPE_CHECKING:
    from paramiko import Channel

_CHUNK = 256 * 1024
_TAIL_LIMIT = 16 * 1024
_PATIENCE = 2.0
"""Seconds that threads have to end."""


class ParamikoDialer:
    """Each `dial` is a connection of its own; the passphrase stays in the memory of this process."""

    name = "paramiko"

    def __init__(
        self, target: SshTarget, *, passphrase: str | None = None, connect_timeout: float = CONNECT_TIMEOUT
    ) -> None:
        self._target = target
        self._passphrase = passphrase
        self._connect_timeout = connect_timeout
        self._route: Sequence[Hop] | None = None

    async def knock(self) -> bool:
        if self._route is None:
            self._route = await find_route(self._target)
        return await answers(self._route)

    async def dial(self, command: str) -> ParamikoCarrier:
        route = await find_route(self._target)
        attempt = _Attempt(self._target, route, self._passphrase, self._connect_timeout)
        try:
            return await in_time(attempt.dial(command), self._connect_timeout, undo=ParamikoCarrier.close)
        except asyncio.TimeoutError:
            raise diagnosis.timed_out(self._target.name, route, attempt.at, self._connect_timeout) from None


class _Attempt:
    """One dialling, which leaves nothing behind when it fails or is cancelled."""

    def __init__(self, target: SshTarget, route: Sequence[Hop], passphrase: str | None, seconds: float) -> None:
        self._target = target
        self._route = route
        self._passphrase = passphrase
        self._seconds = seconds
        self._login: Login | None = None
        self._helper: ProcessCarrier | None = None

    @property
    def at(self) -> int:
        """Which hop is being entered."""
        return 0 if self._login is None else self._login.at

    async def dial(self, command: str) -> ParamikoCarrier:
        line, mark = with_mark(command)
        carrier: ParamikoCarrier | None = None
        try:
            login = self._login = Login(
                self._target, self._route, await self._first_way(), self._passphrase, self._seconds
            )
            pair = wide_pair()
            try:
                channel = await self._run_login(login, line, pair[1])
            except BaseException as error:
                for each in pair:
                    each.close()
                if isinstance(error, Unreachable) and (words := self._words_of_helper()):
                    raise diagnosis.ended_early(self._target.name, self._route, 0, words) from error
                raise
            carrier = ParamikoCarrier(self._target.name, login, channel, pair, self._helper)
            if not await wait_for_mark(carrier.socket, mark):
                raise await self._refused_command(carrier)
            return carrier
        except BaseException:
            if carrier is not None:
                await carrier.close()
            elif self._helper is not None:
                await self._helper.close()
            raise

    async def _run_login(self, login: Login, line: str, sink: socket.socket) -> Channel:
        work = in_thread(lambda: login.run(line, sink), "paramiko-login")
        try:
            return await asyncio.shield(work)
        except BaseException:
            await in_thread(login.abort, "paramiko-abort")
            await asyncio.wait([work], timeout=_PATIENCE)
            if work.done() and not work.cancelled():
                work.exception()  # known already, or of no interest since the attempt was given up
            raise

    def _words_of_helper(self) -> str:
        """What the user's ProxyCommand says of its failure, when it is the way to the host that fails."""
        return "" if self._helper is None or self.at > 0 else diagnosis.last_words(self._helper.said)

    async def _first_way(self) -> socket.socket:
        """A connection to the first host, by TCP or by the user's ProxyCommand."""
        hop = self._route[0]
        if hop.proxy_command is not None:
            return await self._through_command(hop, hop.proxy_command)
        try:
            return await _connect(hop.host, hop.port)
        except OSError as error:
            raise diagnosis.of_oserror(self._target.name, self._route, 0, error, self._seconds) from error

    async def _through_command(self, hop: Hop, proxy_command: str) -> socket.socket:
        shell = os.environ.get("SHELL") or "/bin/sh"  # as in ssh: the line is written for the user's shell
        try:
            self._helper = await ProcessCarrier.start([shell, "-c", f"exec {proxy_command}"], explain=_no_words)
        except OSError as error:
            raise diagnosis.of_oserror(self._target.name, self._route, 0, error, self._seconds) from error
        return self._helper.socket

    async def _refused_command(self, carrier: ParamikoCarrier) -> BridgeError:
        why = await carrier.last_words()
        return diagnosis.ended_early(self._target.name, self._route, len(self._route) - 1, why)


class ParamikoCarrier:
    """A channel of an open connection; `login` owns the connection, all hops of it."""

    def __init__(
        self,
        name: str,
        login: Login,
        channel: Channel,
        pair: tuple[socket.socket, socket.socket],
        helper: ProcessCarrier | None,
    ) -> None:
        self.socket, self._theirs = pair
        self.reader = self.writer = self.socket.fileno()
        self._name = name
        self._login = login
        self._channel = channel
        self._helper = helper
        self._tail = bytearray()
        self._closed = False
        self._threads = [
            threading.Thread(target=_quietly, args=(work,), name=f"paramiko-{what}", daemon=True)
            for what, work in (("down", self._down), ("up", self._up), ("said", self._listen))
        ]
        for thread in self._threads:
            thread.start()

    async def why_ended(self) -> str:
        said = await in_thread(self._said_at_the_end, "paramiko-wait")
        if self._channel.exit_status_ready() and self._channel.exit_status >= 0:
            return diagnosis.why_ended(self._name, self._channel.exit_status, said)
        return diagnosis.broke(self._name)

    async def last_words(self) -> str:
        """The last thing that the command said on standard error, after its end."""
        return diagnosis.last_words(await in_thread(self._said_at_the_end, "paramiko-wait"))

    def _said_at_the_end(self) -> str:
        """Blocks until the exit status, which comes after the end of file, and all of standard error are here."""
        self._channel.status_event.wait(_PATIENCE)
        self._threads[-1].join(_PATIENCE)
        return self._tail.decode(errors="replace")

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self.socket.close()
        await in_thread(self._end, "paramiko-close")
        if self._helper is not None:
            await self._helper.close()

    def _end(self) -> None:
        self._login.abort()
        for thread in self._threads:
            thread.join(_PATIENCE)
        self._theirs.close()

    # the pumps: each in a thread of its own ------------------------------------------------------------------------

    def _down(self) -> None:
        try:
            while self._channel.recv(_CHUNK):
                pass  # its outlet hands on; this only lets the far side send more
        finally:
            with contextlib.suppress(OSError):
                self._theirs.shutdown(socket.SHUT_WR)

    def _up(self) -> None:
        while data := self._theirs.recv(_CHUNK):
            self._channel.sendall(data)
        self._channel.shutdown_write()

    def _listen(self) -> None:
        while data := self._channel.recv_stderr(_TAIL_LIMIT):
            self._tail += data
            del self._tail[:-_TAIL_LIMIT]


def _quietly(work: Callable[[], None]) -> None:
    """The end of the connection meets every pump as an error; whoever reads the pipe sees the end of file."""
    from paramiko import SSHException

    with contextlib.suppress(OSError, EOFError, SSHException):
        work()


def _no_words(status: int, said: str) -> str:
    return ""


async def _connect(host: str, port: int) -> socket.socket:
    """A TCP connection to the first address that takes one."""
    loop = asyncio.get_running_loop()
    error: OSError | None = None
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        attempt = socket.socket(family, kind, protocol)
        try:
            attempt.setblocking(False)
            await loop.sock_connect(attempt, address)
            attempt.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return attempt
        except OSError as failed:
            attempt.close()
            error = failed
        except BaseException:
            attempt.close()
            raise
    raise error or OSError(f"no address for {host}")
