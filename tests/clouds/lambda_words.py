"""The simulated Lambda's ways to write things: keys in a header, ids of machines, and what may be done with one."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

from jupyter_gpu_bridge.sandbox.http import Request


def token_of(request: Request) -> str:
    """Of a bearer, or of basic authentication with the key as the user's name, encoded or not."""
    scheme, _, said = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return request.token
    try:
        return base64.b64decode(said, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return said.strip()


def instance_id(sandbox_id: str) -> str:
    """32 hexadecimal digits, of which the first ones are the sandbox's own."""
    own = sandbox_id.removeprefix("m-")
    return own + hashlib.sha256(own.encode()).hexdigest()[: 32 - len(own)]


def machine_id(said: str) -> str:
    found = f"m-{said[:12]}"
    return found if re.fullmatch(r"[0-9a-f]{32}", said) and instance_id(found) == said else "none"


def actions(status: str) -> dict[str, object]:
    if status == "terminating":
        no = {"available": False, "reason_code": "vm-is-terminating", "reason_description": "It is terminating."}
    elif status == "booting":
        no = {"available": False, "reason_code": "vm-has-not-launched", "reason_description": "It is launching."}
    else:
        no = {}
    able = {"available": True}
    usual = no or able
    can_end = no if status == "terminating" else able
    return {"migrate": usual, "rebuild": usual, "restart": usual, "cold_reboot": usual, "terminate": can_end}


def key_pair() -> tuple[str, str]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    encoding, private = serialization.Encoding, serialization.PrivateFormat
    return (
        key.private_bytes(encoding.PEM, private.OpenSSH, serialization.NoEncryption()).decode(),
        key.public_key().public_bytes(encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode(),
    )
