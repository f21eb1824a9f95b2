"""As much of the Jupyter message protocol as a keeper needs: to look at a message, and to say something itself."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import uuid
from typing import Any, Sequence

from jupyter_gpu_bridge.agent.frames import Buffer

DELIMITER = b"<IDS|MSG>"
LOOKED_AT = 64 * 1024
"""Headers larger than this are not looked into."""


def split(frames: Sequence[Buffer]) -> tuple[list[bytes], Sequence[Buffer]] | None:
    """Routing frames, and the rest from the signature on; nothing when it is no Jupyter message."""
    for at, part in enumerate(frames[:16]):
        if len(part) == len(DELIMITER) and bytes(part) == DELIMITER:
            rest = frames[at + 1 :]
            return ([bytes(piece) for piece in frames[:at]], rest) if len(rest) >= 5 else None
    return None


def load(part: Buffer) -> dict[str, Any]:
    """A header or content; empty when it is not a JSON object of sensible size."""
    if len(part) > LOOKED_AT:
        return {}
    try:
        found = json.loads(bytes(part))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def compose(
    key: bytes, routing: Sequence[bytes], kind: str, parent: Buffer, content: dict[str, Any], session: str
) -> list[Buffer]:
    """A signed message of ours; `parent` is the header it answers, as bytes."""
    header = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": kind,
        "username": "gpu-bridge",
        "session": session,
        "date": time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime()),
        "version": "5.4",
    }
    parts = [json.dumps(header).encode(), bytes(parent) or b"{}", b"{}", json.dumps(content).encode()]
    signer = hmac.new(key, digestmod=hashlib.sha256)
    for part in parts:
        signer.update(part)
    return [*routing, DELIMITER, signer.hexdigest().encode() if key else b"", *parts]
