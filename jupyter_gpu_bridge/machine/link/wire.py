"""The link's private socket: one JSON object a line, in both directions.

The two ends need not be of one version: a link outlives the upgrade of the package that it was started from, and two
environments of one user may hold different ones.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

PROTOCOL = 1
"""Raised when a link that speaks the one before would not do any more for programs of this version."""
MOST_LINE = 16 * 1024 * 1024


def line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


async def read(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """The next message, or nothing at the end; raises `ValueError`, which says what rule the other side broke."""
    try:
        data = await reader.readline()
    except ConnectionError:
        return None
    except ValueError:
        raise ValueError(f"a line of more than {MOST_LINE} bytes") from None
    if not data.endswith(b"\n"):
        return None
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("a line that is not JSON") from None
    if not isinstance(found, dict):
        raise ValueError("a line that is no message")
    return found
