"""A wait with a deadline must not swallow a cancellation, nor lose what came at the last moment."""

from __future__ import annotations

import asyncio

import pytest

from jupyter_gpu_bridge.in_time import in_time

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(10)]


async def test_what_comes_in_time_is_returned() -> None:
    assert await in_time(asyncio.sleep(0, "here"), 5) == "here"


async def test_what_fails_raises() -> None:
    async def fail() -> None:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        await in_time(fail(), 5)


async def test_what_does_not_come_is_given_up() -> None:
    with pytest.raises(asyncio.TimeoutError):
        await in_time(asyncio.Event().wait(), 0.01)


async def test_a_cancellation_that_comes_as_the_work_is_done_counts_and_the_result_is_undone() -> None:
    is_ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    undone: list[str] = []

    async def work() -> str:
        return await is_ready

    async def undo(result: str) -> None:
        undone.append(result)

    waiting = asyncio.ensure_future(in_time(work(), 5, undo=undo))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    is_ready.set_result("late")
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert undone == ["late"]
