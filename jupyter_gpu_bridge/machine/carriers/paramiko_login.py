"""Entering a host with paramiko, hop by hop: host key verified, then our keys offered. Blocks; for a thread."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.machine.carriers import diagnosis, hostkeys
from jupyter_gpu_bridge.machine.carriers.paramiko_pump import BufferedWire, Outlet
from jupyter_gpu_bridge.machine.carriers.route import Hop
from jupyter_gpu_bridge.machine.carriers.target import SshTarget

if TYPE_CHECKING:
    from paramiko import Channel, PKey, Transport
    from paramiko.agent import AgentKey

_WINDOW = 8 * 1024 * 1024
_FORWARD_WINDOW = 2 * 1024 * 1024
"""Smaller, since paramiko's own buffer, which is used on the way to the next hop, gets slower as it fills."""
_PACKET = 128 * 1024
"""The largest that we take at once; each packet costs the interpreter about the same."""

_PATIENCE = 2.0
"""Seconds for a thread of paramiko's to end; it looks up ten times a second."""

_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
_WEAK = {
    "macs": ["hmac-sha1", "hmac-md5", "hmac-sha1-96", "hmac-md5-96"],
    "ciphers": ["aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"],
}

# Paramiko logs whole tracebacks of what we catch and explain.
_LOG = "jupyter_gpu_bridge.paramiko"
logging.getLogger(_LOG).setLevel(logging.CRITICAL)


class Login:
    """One attempt; `run` in a thread, `abort` from any other at any time."""

    def __init__(
        self, target: SshTarget, route: Sequence[Hop], first: socket.socket, passphrase: str | None, seconds: float
    ) -> None:
        self.at = 0
        """Which hop is being entered."""
        self._target = target
        self._route = route
        self._first = first
        self._passphrase = passphrase
        self._seconds = seconds
        self._lock = threading.Lock()
        self._aborted = False
        self._transports: list[Transport] = []

    @property
    def transports(self) -> tuple[Transport, ...]:
        """Those that are open, the nearest host's first."""
        return tuple(self._transports)

    def run(self, line: str, sink: socket.socket) -> Channel:
        """Enter every host and run a command line on the last; what it writes goes to `sink`. Raises `BridgeError`."""
        from paramiko import SSHException

        way: socket.socket | Channel = self._first
        try:
            for at, hop in enumerate(self._route):
                self.at = at
                transport = self._negotiate(way, hop)
                self._verify(transport, hop)
                self._enter(transport, hop)
                if at + 1 < len(self._route):
                    way = self._onward(transport, self._route[at + 1])
            channel = self._transports[-1].open_session(_WINDOW, _PACKET, timeout=self._seconds)
            channel.in_buffer = Outlet(sink, _WINDOW)  # type: ignore[assignment]  # only its shape counts
            channel.exec_command(line)
            return channel
        except (SSHException, EOFError, OSError) as error:
            raise self._explained(error) from error

    def abort(self) -> None:
        """Close everything that is open; `run` then ends soon, with an error."""
        with self._lock:
            self._aborted = True
            transports = list(self._transports)
        for transport in reversed(transports):
            transport.close()
        self._first.close()
        for transport in transports:
            if transport.is_alive():  # closing only asks its thread to end
                transport.join(_PATIENCE)
            # Its timer waits on in a thread otherwise; and the transport's thread may have set it just before its end.
            transport.packetizer.complete_handshake()

    # steps of one hop ----------------------------------------------------------------------------------------------

    def _negotiate(self, way: socket.socket | Channel, hop: Hop) -> Transport:
        from paramiko import SSHException, Transport

        transport = Transport(cast("socket.socket", BufferedWire(way)), _WINDOW, _PACKET, disabled_algorithms=_WEAK)
        transport.daemon = True
        transport.set_log_channel(_LOG)
        transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = self._seconds
        with self._lock:
            if self._aborted:
                transport.close()
                raise EOFError
            self._transports.append(transport)
        options = transport.get_security_options()
        options.ciphers = _CIPHERS
        # The known key's algorithms first: a server with several keys then shows the one that can be compared.
        mine = [name for key in self._known(hop) for name in key.algorithms if name in options.key_types]
        options.key_types = tuple(dict.fromkeys([*mine, *options.key_types]))
        transport.start_client(timeout=self._seconds)
        if not transport.initial_kex_done:
            raise SSHException("timed out")
        return transport

    def _verify(self, transport: Transport, hop: Hop) -> None:
        remote = transport.get_remote_server_key()
        shown = hostkeys.HostKey(remote.get_name(), remote.asbytes())
        if not hostkeys.is_trusted(self._files(hop), hop.known_hosts_name, hop.known_hosts_port, shown):
            raise diagnosis.host_key(self._target.name, self._route, self.at, self._files(hop), shown)

    def _enter(self, transport: Transport, hop: Hop) -> None:
        from paramiko import AuthenticationException, BadAuthenticationType

        from jupyter_gpu_bridge.machine.carriers.paramiko_keys import agent_keys

        try:
            transport.auth_none(hop.user)
            return  # some servers, as those of overlay networks, know already who we are
        except BadAuthenticationType as answer:
            allowed = answer.allowed_types
        tried: list[str] = []
        if "publickey" in allowed:
            with agent_keys(hop) as held:
                for title, key in self._keys(hop, held):
                    tried.append(title)
                    try:
                        transport.auth_publickey(hop.user, key)
                    except AuthenticationException:
                        if not transport.is_active():
                            break  # too many keys for its taste
                        continue
                    if transport.is_authenticated():
                        return
        given = self._passphrase is not None
        raise diagnosis.login_refused(self._target.name, self._route, self.at, tried, unlocked=given)

    def _onward(self, transport: Transport, hop: Hop) -> Channel:
        from paramiko import ChannelException

        try:
            return transport.open_channel(
                "direct-tcpip", (hop.host, hop.port), ("127.0.0.1", 0), _FORWARD_WINDOW, _PACKET, timeout=self._seconds
            )
        except ChannelException as error:
            self.at += 1
            raise diagnosis.beyond(self._target.name, self._route, self.at, error.text.lower()) from error

    # what it goes by -----------------------------------------------------------------------------------------------

    def _files(self, hop: Hop) -> tuple[Path, ...]:
        return (self._target.known_hosts, *hop.known_hosts)

    def _known(self, hop: Hop) -> tuple[hostkeys.HostKey, ...]:
        return hostkeys.known(self._files(hop), hop.known_hosts_name, hop.known_hosts_port)

    def _keys(self, hop: Hop, held: Sequence[AgentKey]) -> Iterator[tuple[str, PKey]]:
        """In the order of ssh: what the agent holds of the key files named, the agent's others, the other files."""
        from jupyter_gpu_bridge.machine.carriers.paramiko_keys import WrongPassphrase, file_key, named_blobs

        named = named_blobs(hop)
        offered = set()
        for agent_key in sorted(held, key=lambda each: each.blob not in named):
            if agent_key.blob in named or not hop.identities_only:
                offered.add(agent_key.blob)
                yield f"{agent_key.comment or agent_key.get_name()} (agent)", agent_key
        wrong: WrongPassphrase | None = None
        for file in hop.identity_files:
            try:
                key = file_key(file, self._passphrase, hop.certificate_files)
            except WrongPassphrase as error:
                wrong = wrong or error
                continue
            if key is not None and key.asbytes() not in offered:
                yield str(file), key
        if wrong is not None:
            name = self._target.name
            raise diagnosis.passphrase_needed(name, self._route, self.at, str(wrong.file), wrong=True)

    def _explained(self, error: Exception) -> BridgeError:
        name, route, at = self._target.name, self._route, self.at
        if isinstance(error, OSError):
            return diagnosis.of_oserror(name, route, at, error, self._seconds)
        words = str(error).rstrip(".")
        if "timed out" in words.lower() or "timeout" in words.lower():
            return diagnosis.timed_out(name, route, at, self._seconds)
        return diagnosis.ended_early(name, route, at, words[:1].lower() + words[1:])
