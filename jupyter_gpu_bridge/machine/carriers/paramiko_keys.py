"""Our keys as paramiko wants them: from files of any format, from the agent, with certificates where there are."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_ssh_private_key,
)
from paramiko import ECDSAKey, Ed25519Key, PKey, RSAKey, SSHException
from paramiko.agent import AgentKey, AgentSSH

from jupyter_gpu_bridge.machine.carriers.identities import agent_path, is_encrypted, public_blob
from jupyter_gpu_bridge.machine.carriers.route import Hop

_AGENT_PATIENCE = 30.0
"""Seconds for an agent to answer; it may ask its user first."""


class WrongPassphrase(Exception):
    """The passphrase does not open the key file."""

    def __init__(self, file: Path) -> None:
        super().__init__(str(file))
        self.file = file


def file_key(file: Path, passphrase: str | None, certificates: tuple[Path, ...] = ()) -> PKey | None:
    """The private key in a file; `None` when it is not one that paramiko can use, or locked and no passphrase given.

    Raises `WrongPassphrase`.
    """
    locked = is_encrypted(file)
    if locked and passphrase is None:
        return None
    password = passphrase.encode() if locked and passphrase is not None else None
    try:
        data = file.read_bytes()
        load = load_ssh_private_key if b"BEGIN OPENSSH" in data else load_pem_private_key
        loaded = load(data, password)
    except (ValueError, TypeError) as error:
        if locked:
            raise WrongPassphrase(file) from error
        return None
    except (OSError, UnsupportedAlgorithm):
        return None
    kind: type[Ed25519Key] | type[ECDSAKey] | type[RSAKey]
    if isinstance(loaded, Ed25519PrivateKey):
        kind = Ed25519Key
    elif isinstance(loaded, EllipticCurvePrivateKey):
        kind = ECDSAKey
    elif isinstance(loaded, RSAPrivateKey):
        kind = RSAKey
    else:
        return None
    # Paramiko reads fewer formats than there are, but all keys in this one; it never leaves this process.
    plain = loaded.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    key = kind.from_private_key(io.StringIO(plain))
    blob = key.asbytes()
    for certificate in (file.with_name(file.name + "-cert.pub"), *certificates):
        if certificate.is_file() and _certifies(certificate, blob):
            with contextlib.suppress(ValueError, SSHException):
                key.load_certificate(str(certificate))
                break
    return key


def named_blobs(hop: Hop) -> set[bytes]:
    """The public halves of the key files of this host."""
    return {blob for file in hop.identity_files if (blob := public_blob(file)) is not None}


@contextlib.contextmanager
def agent_keys(hop: Hop) -> Iterator[list[AgentKey]]:
    """What the agent holds, usable until the end of the block; nothing where there is no agent."""
    agent = _Agent()
    try:
        path = agent_path(hop)
        if path:
            with contextlib.suppress(OSError, SSHException):
                agent.reach(path)
        yield list(agent.get_keys())
    finally:
        agent.leave()


class _Agent(AgentSSH):
    """The agent at a path; paramiko's own knows only SSH_AUTH_SOCK, and waits for it for ever."""

    def reach(self, path: str) -> None:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_AGENT_PATIENCE)
        try:
            connection.connect(os.fspath(path))
            self._connect(connection)  # type: ignore[attr-defined]  # left out of the stubs
        except BaseException:
            connection.close()
            raise

    def leave(self) -> None:
        self._close()  # type: ignore[attr-defined]  # left out of the stubs


def _certifies(certificate: Path, blob: bytes) -> bool:
    """Whether the certificate is about this key: the key's own fields are part of it, after a nonce."""
    try:
        words = certificate.read_text(errors="replace").split()
        body = base64.b64decode(words[1])
    except (OSError, IndexError, ValueError):
        return False
    kind_length = int.from_bytes(blob[:4], "big")
    return blob[4 + kind_length :] in body
