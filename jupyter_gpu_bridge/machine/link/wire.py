"""The link's private socket: one JSON object a line, in both directions."""

from __future__ import annotations

import asyncio
import json
from typing import Any

MOST_LINE = 16 * 1024 * 1024


def line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


async def read(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """The next message; nothing at the end, or when the other side makes no sense."""
    try:
        data = await reader.readline()
        found = json.loads(data) if data.endswith(b"\n") else None
    except (ValueError, RecursionError, ConnectionError, asyncio.LimitOverrunError):
        return None
    return found if isinstance(found, dict) else None
