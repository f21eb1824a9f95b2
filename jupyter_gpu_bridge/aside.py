"""Work over many offers, out of the event loop's way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sized
from typing import TypeVar

T = TypeVar("T")

_SMALL = 2000
"""So many offers are gone through at once, where handing them to a thread would take longer."""


async def aside(offers: Sized, work: Callable[..., T], *arguments: object) -> T:
    """In a thread where there is much to do: the event loop has other things to do meanwhile."""
    if len(offers) <= _SMALL:
        return work(*arguments)
    return await asyncio.to_thread(work, *arguments)
