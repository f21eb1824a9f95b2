"""Shutdowns over links that are slow, lost or killed: they return soon, and they are done in the end."""

from __future__ import annotations

import asyncio
import signal
import time
from functools import partial

from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.model import KernelId, KernelState
from tests.cutting import CutProxy, Direction
from tests.kernels.conftest import Serve
from tests.kernels.far import Far
from tests.kernels.home import Home, kill, until
from tests.kernels.jupyter import JupyterServer
from tests.sshd import Sshd

SAY_GOODBYE = """
import atexit, os, pathlib
atexit.register(lambda: pathlib.Path({path!r}).write_text("bye"))
"""


async def test_a_shutdown_over_a_slow_link_is_a_graceful_one(serve: Serve, home: Home, sshd: Sshd) -> None:
    goodbye = home.folder / "goodbye"
    async with CutProxy(sshd.port) as proxy, serve() as server:
        far = Far(home, sshd, "slow", proxy.port)
        kernel_id = await server.start(far.profile)
        await server.run(kernel_id, SAY_GOODBYE.format(path=str(goodbye)))
        proxy.slow(1000, Direction.UP)
        proxy.slow(1000, Direction.DOWN)
        await asyncio.wait_for(server.stop(kernel_id), 30)
        assert goodbye.read_text() == "bye"
        proxy.resume()
        await home.until_nothing_remains(kernel_id)


async def test_a_shutdown_of_what_can_not_be_reached_returns_soon_and_is_done_later(
    serve: Serve, home: Home, far: Far
) -> None:
    async with serve() as server:
        for killed in (False, True):
            kernel_id = await server.start(far.profile)
            kernel = home.kernel(kernel_id)
            await far.cut()
            await until(partial(server.is_lost, kernel_id))
            began = time.monotonic()
            await asyncio.wait_for(server.stop(kernel_id), 30)
            assert time.monotonic() - began < 5
            assert kernel.is_running()
            if killed:
                kill(home.link("ssh-far"))
            await far.mend()
            await home.until_nothing_remains(kernel_id)


async def test_a_shutdown_while_the_link_is_killed_is_done(serve: Serve, home: Home) -> None:
    async with serve() as server:
        kernel_id = await server.start()
        kill(home.link())
        await asyncio.wait_for(server.stop(kernel_id), 30)
        await home.until_nothing_remains(kernel_id)


async def test_a_server_ends_although_a_restart_waits_for_an_answer(server: JupyterServer, home: Home) -> None:
    server.start()
    kernel_id = (await server.ask("api/kernels", {"name": "gpu-bridge-here"}))["id"]
    keeper = home.keeper(kernel_id)
    kill(home.kernel(kernel_id))
    while {each.kernel_id: each.state for each in await Bridge().kernels()}[KernelId(kernel_id)] != KernelState.DEAD:
        await asyncio.sleep(0.02)
    keeper.send_signal(signal.SIGSTOP)
    try:
        await until(lambda: "restarting kernel" in server.log)
        began = time.monotonic()
        await server.end(signal.SIGTERM)
        assert time.monotonic() - began < 20
    finally:
        keeper.send_signal(signal.SIGCONT)
    await home.until_nothing_remains(kernel_id)


async def test_a_restart_of_what_can_not_be_reached_is_done_later(serve: Serve, home: Home, far: Far) -> None:
    async with serve() as server:
        kernel_id = await server.start(far.profile)
        first = home.kernel(kernel_id).pid
        await far.cut()
        await until(lambda: server.is_lost(kernel_id))
        restart = asyncio.ensure_future(server.manager(kernel_id).restart_kernel())
        await until(lambda: not server.manager(kernel_id).has_kernel, 5)
        await far.mend()
        await asyncio.wait_for(restart, 30)
        assert home.kernel(kernel_id).pid != first
        assert await server.run(kernel_id, "print(1)") == "1\n"


async def test_a_restart_while_the_link_is_killed_is_done(serve: Serve, home: Home) -> None:
    async with serve() as server:
        kernel_id = await server.start()
        first = home.kernel(kernel_id).pid
        for options in ({}, {"now": True}):
            kill(home.link())
            await asyncio.wait_for(server.manager(kernel_id).restart_kernel(**options), 40)
            assert await server.run(kernel_id, "print(1)") == "1\n"
            assert home.kernel(kernel_id).pid != first
            first = home.kernel(kernel_id).pid
