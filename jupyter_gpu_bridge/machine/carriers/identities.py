"""The private keys that could open a host: which of them are locked, and which the agent holds."""

from __future__ import annotations

import base64
import os
import re
import socket
import struct
from pathlib import Path

from jupyter_gpu_bridge.machine.carriers.route import Hop

_REQUEST_IDENTITIES = 11
_IDENTITIES_ANSWER = 12
_AGENT_PATIENCE = 3.0


def locked_identity(hop: Hop) -> Path | None:
    """The first key file of this host that is encrypted and that no agent holds."""
    held: set[bytes] | None = None
    for file in hop.identity_files:
        if not is_encrypted(file):
            continue
        if held is None:
            held = agent_blobs(hop)
        if public_blob(file) not in held:
            return file
    return None


def is_encrypted(file: Path) -> bool:
    """Whether a private key file cannot be read without a passphrase; `False` when it is not one."""
    try:
        text = file.read_text(errors="replace")
    except OSError:
        return False
    if "BEGIN OPENSSH PRIVATE KEY" in text:
        opened = _openssh_head(text)
        return opened is not None and opened[0] != b"none"
    return "BEGIN ENCRYPTED PRIVATE KEY" in text or "Proc-Type: 4,ENCRYPTED" in text


def public_blob(file: Path) -> bytes | None:
    """The public half of a key file, from the file beside it or from its unencrypted head."""
    try:
        words = file.with_name(file.name + ".pub").read_text(errors="replace").split()
        return base64.b64decode(words[1])
    except (OSError, IndexError, ValueError):
        pass
    try:
        opened = _openssh_head(file.read_text(errors="replace"))
    except OSError:
        return None
    return None if opened is None else opened[1]


def agent_path(hop: Hop) -> str:
    """Where the agent for this host listens; empty where there is none."""
    return os.environ.get("SSH_AUTH_SOCK", "") if hop.identity_agent is None else hop.identity_agent


def agent_blobs(hop: Hop) -> set[bytes]:
    """The public halves of what the agent holds; nothing where there is no agent."""
    path = agent_path(hop)
    if not path:
        return set()
    try:
        with socket.socket(socket.AF_UNIX) as agent:
            agent.settimeout(_AGENT_PATIENCE)
            agent.connect(path)
            agent.sendall(struct.pack(">IB", 1, _REQUEST_IDENTITIES))
            with agent.makefile("rb") as answer:
                body = answer.read(struct.unpack(">I", answer.read(4))[0])
    except (OSError, struct.error):
        return set()
    if len(body) < 5 or body[0] != _IDENTITIES_ANSWER:
        return set()
    (count,) = struct.unpack_from(">I", body, 1)
    words = _strings(body[5:], 2 * count)
    return set(words[::2])


def _openssh_head(text: str) -> tuple[bytes, bytes] | None:
    """Cipher and public key of an OpenSSH private key file."""
    found = re.search(r"-----BEGIN OPENSSH PRIVATE KEY-----(.*?)-----END", text, re.S)
    if found is None:
        return None
    try:
        body = base64.b64decode(found[1]).removeprefix(b"openssh-key-v1\0")
    except ValueError:
        return None
    head = _strings(body, 3)  # cipher, key derivation, its options; then how many keys, then the first public one
    if len(head) < 3:
        return None
    public = _strings(body[sum(4 + len(word) for word in head) + 4 :], 1)
    return (head[0], public[0]) if public else None


def _strings(data: bytes, count: int) -> list[bytes]:
    """The first so many length-prefixed strings of SSH's wire format, or as many as there are."""
    words: list[bytes] = []
    while len(words) < count and len(data) >= 4:
        (length,) = struct.unpack_from(">I", data)
        if len(data) < 4 + length:
            break
        words.append(data[4 : 4 + length])
        data = data[4 + length :]
    return words
