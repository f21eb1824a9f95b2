"""The machine's SSH server: one key may enter, commands run with pipes, and nothing is forwarded."""

from __future__ import annotations

import contextlib
import io
import logging
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from paramiko import Channel, Ed25519Key, PKey, ServerInterface, SSHException, Transport
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED, OPEN_SUCCEEDED
from paramiko.pkey import UnknownKeyType

from jupyter_gpu_bridge.machine.carriers.paramiko_pump import BufferedWire
from jupyter_gpu_bridge.sandbox.machine.children import Children
from jupyter_gpu_bridge.sandbox.machine.session import Session

_WINDOW = 4 * 1024 * 1024
_PACKET = 128 * 1024
_LOGIN_WITHIN = 30.0
_MOST_CONNECTIONS = 64

_LOG = "jupyter_gpu_bridge.sandbox.ssh"
logging.getLogger(_LOG).setLevel(logging.CRITICAL)


def host_key(path: Path) -> tuple[PKey, str]:
    """The key that the start script has put there, else a fresh one; and a sentence when there was one of no use."""
    if not path.exists():
        return _fresh(), ""
    try:
        return PKey.from_path(path), ""
    except (SSHException, UnknownKeyType, ValueError, OSError) as error:
        return _fresh(), f"The host key of the start script cannot be used ({type(error).__name__})."


@dataclass(frozen=True, slots=True)
class Guests:
    """Who may enter: the name of the user, and the keys that are good at the moment."""

    login: str
    good_keys: Callable[[], Sequence[str]]


class Server:
    """Takes connections on a socket that listens already."""

    def __init__(self, listener: socket.socket, key: PKey, guests: Guests, children: Children) -> None:
        self._listener = listener
        self._key = key
        self._guests = guests
        self._children = children
        self._open: set[_Connection] = set()
        threading.Thread(target=self._accept, daemon=True, name="accept").start()

    def _accept(self) -> None:
        while True:
            try:
                way, _ = self._listener.accept()
            except OSError:
                return
            self._open = {each for each in self._open if each.is_active()}
            if len(self._open) >= _MOST_CONNECTIONS:
                way.close()
                continue
            way.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = _Connection(way)
            connection.add_server_key(self._key)
            with contextlib.suppress(SSHException):
                connection.start_server(threading.Event(), _Rules(self._guests, self._children))
                self._open.add(connection)


class _Connection(Transport):
    """Paramiko's, which also tells a session when its client has been answered."""

    def __init__(self, way: socket.socket) -> None:
        super().__init__(cast("socket.socket", BufferedWire(way)), _WINDOW, _PACKET)
        self.daemon = True
        self.set_log_channel(_LOG)
        self.banner_timeout = self.handshake_timeout = self.auth_timeout = _LOGIN_WITHIN
        self.unanswered: Session | None = None

    def _send_user_message(self, data: Any) -> None:
        super()._send_user_message(data)  # type: ignore[misc]
        # What our own thread sends first after it has started a command is the answer to the request for it.
        if self.unanswered is not None and threading.current_thread() is self:
            self.unanswered.replied.set()
            self.unanswered = None


class _Rules(ServerInterface):
    """Called by the connection's thread."""

    def __init__(self, guests: Guests, children: Children) -> None:
        self._guests = guests
        self._children = children

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: PKey) -> int:
        fits = username == self._guests.login and f"{key.get_name()} {key.get_base64()}" in self._guests.good_keys()
        return AUTH_SUCCESSFUL if fits else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED if kind == "session" else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_exec_request(self, channel: Channel, command: bytes) -> bool:
        connection = channel.get_transport()
        try:
            session = Session(channel, command.decode(errors="surrogateescape"), self._children)
        except OSError:
            return False
        if isinstance(connection, _Connection):
            connection.unanswered = session
        return True


def _fresh() -> PKey:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    text = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    return Ed25519Key.from_private_key(io.StringIO(text.decode()))
