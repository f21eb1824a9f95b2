"""The carrier that is the system's `ssh`: one process, one command, and all that the user's ssh_config can say."""

from __future__ import annotations

import asyncio
import math
import os
import shlex
import shutil
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.in_time import in_time
from jupyter_gpu_bridge.machine.carriers import diagnosis, hostkeys
from jupyter_gpu_bridge.machine.carriers.accepted import wait_for_mark, with_mark
from jupyter_gpu_bridge.machine.carriers.knock import answers
from jupyter_gpu_bridge.machine.carriers.process import ProcessCarrier
from jupyter_gpu_bridge.machine.carriers.route import Hop, find_route
from jupyter_gpu_bridge.machine.carriers.target import CONNECT_TIMEOUT, SshTarget

_GRACE = 1.0
"""Seconds that ssh has to say itself where it got stuck."""

_ALWAYS = (
    "BatchMode=yes",
    "UpdateHostKeys=no",
    "ControlMaster=no",
    "ControlPath=none",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "Tunnel=no",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    # The link keeps alive itself, and patiently: a silent connection that comes back has lost nothing.
    "ServerAliveInterval=0",
    # Why a connection ended is said at this level.
    "LogLevel=INFO",
)


class OpenSshDialer:
    """Each `dial` is one `ssh` process; it never asks anything, so what it lacks comes out as an error."""

    name = "openssh"

    def __init__(self, target: SshTarget, *, connect_timeout: float = CONNECT_TIMEOUT) -> None:
        self._target = target
        self._connect_timeout = connect_timeout
        self._route: Sequence[Hop] | None = None

    async def knock(self) -> bool:
        if self._route is None:
            self._route = await find_route(self._target)
        return await answers(self._route)

    async def dial(self, command: str) -> ProcessCarrier:
        binary = shutil.which("ssh")
        if binary is None:
            raise diagnosis.no_ssh(self._target.name)
        route = await find_route(self._target)
        line, mark = with_mark(command)
        carrier = await self._start(binary, route, [*_options(self._target, route[-1]), line])
        try:
            try:
                accepted = await in_time(wait_for_mark(carrier.socket, mark), self._connect_timeout + _GRACE)
            except asyncio.TimeoutError:
                at = diagnosis.failing_hop(route, carrier.said)
                raise diagnosis.timed_out(self._target.name, route, at, self._connect_timeout) from None
            if not accepted:
                raise await self._what_failed(binary, carrier, route)
        except BaseException:
            await carrier.close()
            raise
        return carrier

    async def _start(self, binary: str, route: Sequence[Hop], arguments: Sequence[str]) -> ProcessCarrier:
        """Run ssh to the last host of the route; `arguments` are its own options and, after them, the command."""
        environment = dict(os.environ, SSH_ASKPASS_REQUIRE="never")
        if len(route) > 1:
            environment["SHELL"] = "/bin/sh"  # runs our ProxyCommand, which is quoted for it
        *options, command = arguments
        return await ProcessCarrier.start(
            [binary, *self._argv(binary, route, options, len(route)), command],
            explain=partial(diagnosis.why_ended, self._target.name),
            environment=environment,
        )

    def _argv(self, binary: str, route: Sequence[Hop], own: Sequence[str], hops: int) -> list[str]:
        """All arguments up to and with the host; every hop before the last is an ssh that forwards to the next.

        What ssh itself makes of ProxyJump would not pass our options on: a hop could prompt, and would not know the
        keys that the user confirmed here.
        """
        *before, hop = route
        # The nearest host is given up first, so that it is the one that gets the blame.
        share = (len(before) + 1) / hops
        options = [f"ConnectTimeout={math.ceil(self._connect_timeout * share)}", *_ALWAYS]
        if not hop.ciphers_chosen:
            options.append("Ciphers=^aes128-gcm@openssh.com")
        argv = ["-T"]
        if self._target.config_file is not None:
            argv += ["-F", str(self._target.config_file)]
        argv += own
        for option in options:
            argv += ["-o", option]
        if before:
            through = ["-W", f"[{hop.host}]:{hop.port}", *_options(self._target, before[-1])]
            proxy = shlex.join([binary, *self._argv(binary, before, through, hops)])
            argv += ["-o", "ProxyCommand=" + proxy.replace("%", "%%")]
        return [*argv, "-l", hop.user, "-p", str(hop.port), "--", hop.address]

    # when it did not work ------------------------------------------------------------------------------------------

    async def _what_failed(self, binary: str, carrier: ProcessCarrier, route: Sequence[Hop]) -> BridgeError:
        ending = await carrier.ending()
        status, said = ending if ending is not None else (255, carrier.said)
        at = diagnosis.failing_hop(route, said)
        if "Host key verification failed" in said:
            hop = route[at]
            files = (self._target.known_hosts, *hop.known_hosts)
            place = (hop.known_hosts_name, hop.known_hosts_port)
            shown = await self._shown_key(binary, route[: at + 1], hostkeys.known(files, *place))
            if shown is None:
                return diagnosis.ended_early(self._target.name, route, at, diagnosis.last_words(said))
            if not hostkeys.is_trusted(files, *place, shown):  # else it was a banner that said so
                return diagnosis.host_key(self._target.name, route, at, files, shown)
        return await asyncio.to_thread(
            diagnosis.of_ssh, self._target.name, route, at, status, said, self._connect_timeout
        )

    async def _shown_key(
        self, binary: str, route: Sequence[Hop], known: Sequence[hostkeys.HostKey]
    ) -> hostkeys.HostKey | None:
        """What key the last host of the route shows now; nobody logs in, and nothing is believed or kept."""
        with tempfile.TemporaryDirectory(prefix="gpu-bridge-") as folder:
            noted = Path(folder) / "noted"
            options = [
                "StrictHostKeyChecking=accept-new",  # into a file that is thrown away: the way to be told the key
                f"UserKnownHostsFile={_quoted(noted)}",
                "GlobalKnownHostsFile=none",
                "HashKnownHosts=no",
                "PreferredAuthentications=none",
            ]
            algorithms = list(dict.fromkeys(name for key in known for name in key.algorithms))
            if algorithms:
                options.append("HostKeyAlgorithms=^" + ",".join(algorithms))
            own = [word for option in options for word in ("-o", option)]
            carrier = await self._start(binary, route, [*own, "exit"])
            try:
                await carrier.ending(self._connect_timeout)
                keys = hostkeys.known([noted], route[-1].known_hosts_name, route[-1].known_hosts_port)
            finally:
                await carrier.close()
        return next(iter(keys), None)


def _options(target: SshTarget, hop: Hop) -> list[str]:
    """Whom to believe and who we are."""
    files = " ".join(_quoted(file) for file in (target.known_hosts, *hop.user_known_hosts))
    options = ["-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={files}"]
    if hop.own_identity is not None:
        # `-i` looks for the file before it has made one % of two.
        options += ["-o", f"IdentityFile={_quoted(hop.own_identity)}", "-o", "IdentitiesOnly=yes"]
    return options


def _quoted(file: Path) -> str:
    return '"' + str(file).replace("%", "%%") + '"'
