"""The ground: as `asyncio.wait_for`, which before Python 3.12 swallows a cancellation that comes as work is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

Result = TypeVar("Result")


async def in_time(
    work: Awaitable[Result], seconds: float, *, undo: Callable[[Result], Awaitable[None]] | None = None
) -> Result:
    """Raises `asyncio.TimeoutError`. `undo` is given a result that came and that nobody takes any more."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task], timeout=seconds)
    except asyncio.CancelledError:
        await _end(task, undo)
        raise
    if task.done():
        return await task
    await _end(task, undo)
    raise asyncio.TimeoutError


async def _end(task: asyncio.Future[Result], undo: Callable[[Result], Awaitable[None]] | None) -> None:
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled() and task.exception() is None and undo is not None:
        await undo(task.result())
