"""Polls answer at once and from memory, and nothing that we do holds up the event loop of a server."""

from __future__ import annotations

import asyncio
import itertools
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
from tests.kernels.serving import said

EAGER = Config({"KernelRestarter": {"time_to_dead": 0.2}})
LAG = 0.05

COUNTING = """
import time
for number in range(40):
    print(number, flush=True)
    time.sleep(0.15)
"""
"""Ends while the link is cut."""


async def test_a_lost_link_is_not_a_death_and_loses_nothing(serve: Serve, far: Far, home: Home) -> None:
    async with serve(EAGER) as server:
        kernel_id = await server.start(far.profile)
        restarts: list[str] = []
        server.on("restart", kernel_id, lambda: restarts.append("restart"))
        provisioner = server.provisioner(kernel_id)
        pid = home.kernel(kernel_id).pid
        async with server.client(kernel_id) as client:
            cell = asyncio.ensure_future(said(client, COUNTING))
            await asyncio.sleep(0.5)  # somewhere in the middle
            await far.cut()
            began = time.monotonic()
            await until(lambda: server.is_lost(kernel_id))
            while time.monotonic() - began < 10:
                assert await provisioner.poll() is None
                await asyncio.sleep(0.05)
            assert not cell.done()
            await far.mend()
            assert (await cell).split() == [str(number) for number in range(40)]
        assert not restarts
        assert home.kernel(kernel_id).pid == pid


async def test_all_kernels_of_a_machine_share_one_connection(serve: Serve, far: Far, home: Home) -> None:
    async with serve() as server:
        kernels = [await server.start(far.profile) for _ in range(3)]
        assert [await server.run(kernel_id, "print(1)") for kernel_id in kernels] == ["1\n"] * 3
        assert far.sshd.session_count() == 1
        assert len(home.processes("run.py agent", "/far/")) == 1


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
            await asyncio.wait_for(server.stop(kernel_id, now=True), 20)
        finally:
            link.send_signal(signal.SIGCONT)
        await home.until_nothing_remains(kernel_id)


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
