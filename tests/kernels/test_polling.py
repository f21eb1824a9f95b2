"""Polls answer at once and from memory, and nothing that we do holds up the event loop of a server."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from traitlets.config import Config

from tests.kernels.conftest import Serve
from tests.kernels.far import Far
from tests.kernels.home import Home, until

EAGER = Config({"KernelRestarter": {"time_to_dead": 0.2}})
LAG = 0.05


async def test_a_lost_link_is_not_a_death(serve: Serve, far: Far) -> None:
    async with serve(EAGER) as server:
        kernel_id = await server.start(far.profile)
        await server.run(kernel_id, "x = 5")
        restarts: list[str] = []
        server.add_restart_callback(kernel_id, lambda: restarts.append("restart"), "restart")
        provisioner = server.provisioner(kernel_id)
        await far.cut()
        began = time.monotonic()
        await until(lambda: not provisioner._kernel.is_reachable)
        while time.monotonic() - began < 10:
            assert await provisioner.poll() is None
            await asyncio.sleep(0.05)
        await far.mend()
        assert await server.run(kernel_id, "print(x)") == "5\n"
        assert not restarts


async def test_a_poll_asks_nobody(serve: Serve, home: Home) -> None:
    async with serve() as server:
        kernel_id = await server.start()
        provisioner = server.provisioner(kernel_id)
        link = home.link()
        link.send_signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            polls = await asyncio.gather(*(provisioner.poll() for _ in range(1000)))
            assert polls == [None] * 1000
            assert time.monotonic() - began < 1
        finally:
            link.send_signal(signal.SIGCONT)


async def test_a_shutdown_does_not_wait_for_ever_for_a_link_that_hangs(serve: Serve, home: Home) -> None:
    async with serve() as server:
        kernel_id = await server.start()
        link = home.link()
        link.send_signal(signal.SIGSTOP)
        try:
            await asyncio.wait_for(server.shutdown_kernel(kernel_id, now=True), 20)
        finally:
            link.send_signal(signal.SIGCONT)
        await home.until_nothing_remains(kernel_id)


async def test_the_event_loop_is_never_held_up(serve: Serve, far: Far, caplog: pytest.LogCaptureFixture) -> None:
    async with serve() as server:
        await server.shutdown_kernel(await server.start())  # what is imported once is not what is measured
        async with watched(caplog):
            kernel_id = await server.start(far.profile)
            await server.run(kernel_id, "print(1)")
            await far.cut()
            await until(lambda: not server.provisioner(kernel_id)._kernel.is_reachable)
            await far.mend()
            await until(lambda: server.provisioner(kernel_id)._kernel.is_reachable)
            await server.get_kernel(kernel_id).restart_kernel()
            await server.shutdown_kernel(kernel_id)


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
    busy = [moment for moment, lag in zip(elsewhere.beats[1:], _gaps(elsewhere.beats), strict=True) if lag > LAG / 2]
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
    return [after - before for before, after in zip(beats, beats[1:], strict=False)]
