"""Nothing that we do holds up the event loop of a server. This is measured; so it runs alone (`tests/workers.py`)."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.kernels.conftest import Serve
from tests.kernels.far import Far
from tests.kernels.home import until

LAG = 0.05


async def test_the_event_loop_is_never_held_up(serve: Serve, far: Far, caplog: pytest.LogCaptureFixture) -> None:
    async with serve() as server:
        await server.stop(await server.start())  # what is imported once is not what is measured
        async with watched(caplog):
            kernel_id = await server.start(far.profile)
            await server.run(kernel_id, "print(1)")
            await far.cut()
            await until(lambda: server.is_lost(kernel_id))
            await far.mend()
            await until(lambda: not server.is_lost(kernel_id))
            await server.manager(kernel_id).restart_kernel()
            await server.stop(kernel_id)


@asynccontextmanager
async def watched(caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """Fails when this loop stood still for longer than `LAG` while the computer did not."""
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = LAG
    caplog.set_level(logging.WARNING, "asyncio")
    elsewhere = Pulse()
    thread = threading.Thread(target=elsewhere.beat, daemon=True)
    thread.start()
    ours: list[float] = []
    task = asyncio.ensure_future(_beat(ours))
    try:
        yield
    finally:
        task.cancel()
        elsewhere.done.set()
        thread.join()
        loop.set_debug(False)
    late = [moment for moment, lag in zip(ours[1:], _gaps(ours), strict=True) if lag > LAG]
    busy = [moment for moment, lag in zip(elsewhere.beats[1:], _gaps(elsewhere.beats), strict=True) if lag > LAG / 4]
    held_up = [moment for moment in late if not any(abs(moment - other) < 0.5 for other in busy)]
    assert not held_up, [record.getMessage() for record in caplog.records if "took" in record.getMessage()]


class Pulse:
    """Beats in a thread of its own: when it misses beats as well, the computer was busy with something else."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.beats: list[float] = []

    def beat(self) -> None:
        while not self.done.wait(0.005):
            self.beats.append(time.monotonic())


async def _beat(beats: list[float]) -> None:
    while True:
        beats.append(time.monotonic())
        await asyncio.sleep(0.005)


def _gaps(beats: list[float]) -> list[float]:
    return [after - before for before, after in itertools.pairwise(beats)]
