"""Polls answer at once and from memory; a lost link is not a death."""

from __future__ import annotations

import asyncio
import signal
import time

from traitlets.config import Config

from tests.kernels.conftest import Serve
from tests.kernels.far import Far
from tests.kernels.home import Home, until
from tests.kernels.serving import said

EAGER = Config({"KernelRestarter": {"time_to_dead": 0.2}})

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
