"""Restarts, by the user and by the server: only the process is replaced, and clients need not notice."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from traitlets.config import Config

from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.model import KernelId
from tests.kernels.conftest import Serve
from tests.kernels.home import Home, kill, until
from tests.kernels.serving import said

EAGER = Config({"KernelRestarter": {"time_to_dead": 0.1}})
"""The restarter looks ten times a second instead of every three seconds."""


@pytest.fixture
def break_kernels(home: Home) -> Iterator[Callable[[], object]]:
    """Call it, and no kernel of this machine starts any more until the test ends."""
    path = home.folder / "ipython" / "profile_default" / "ipython_kernel_config.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    yield lambda: path.write_text("import os; os._exit(3)")
    path.unlink(missing_ok=True)


@pytest.mark.parametrize("options", [{}, {"now": True}, {"now": True, "newports": True}])
async def test_a_restart_replaces_the_process_and_nothing_else(
    serve: Serve, home: Home, options: dict[str, bool]
) -> None:
    async with serve() as server:
        kernel_id = await server.start()
        kernel = server.manager(kernel_id)
        before = home.connection(kernel_id)
        others = {home.link().pid, home.keeper(kernel_id).pid}
        first = home.kernel(kernel_id).pid
        async with server.client(kernel_id) as client:
            await said(client, "x = 1")
            await kernel.restart_kernel(**options)
            assert await said(client, "x") == "NameError"
        assert home.connection(kernel_id) == before
        assert home.kernel(kernel_id).pid != first
        assert {home.link().pid, home.keeper(kernel_id).pid} == others


async def test_a_kernel_that_dies_again_and_again_is_given_up_and_nothing_of_it_remains(
    serve: Serve, home: Home
) -> None:
    async with serve(EAGER) as server:
        kernel_id = await server.start()
        happened: list[str] = []
        for event in ("restart", "dead"):
            server.on(event, kernel_id, partial(happened.append, event))
        while "dead" not in happened:
            pid = home.kernel(kernel_id).pid
            kill(home.kernel(kernel_id))
            await until(partial(_moved_on, home, kernel_id, pid, happened))
        assert happened == ["restart"] * 5 + ["dead"]
        assert kernel_id not in server
        await home.until_nothing_remains(kernel_id, within=10)


async def test_a_kernel_that_can_not_start_any_more_is_reported_dead_and_nothing_of_it_remains(
    serve: Serve, home: Home, break_kernels: Callable[[], object]
) -> None:
    async with serve(EAGER) as server:
        kernel_id = await server.start()
        dead = asyncio.Event()
        server.on("dead", kernel_id, dead.set)
        break_kernels()
        kill(home.kernel(kernel_id))
        await asyncio.wait_for(dead.wait(), 30)
        await home.until_nothing_remains(kernel_id, within=10)


async def test_a_kernel_that_was_stopped_elsewhere_is_dead_and_not_started_again(serve: Serve, home: Home) -> None:
    async with serve(EAGER) as server:
        kernel_id = await server.start()
        happened: list[str] = []
        for event in ("restart", "dead"):
            server.on(event, kernel_id, partial(happened.append, event))
        await Bridge().stop_kernel(KernelId(kernel_id))
        await until(lambda: happened)
        assert happened == ["dead"]
        await home.until_nothing_remains(kernel_id)


async def test_a_shutdown_overtakes_an_automatic_restart(serve: Serve, home: Home) -> None:
    async with serve(Config({"KernelRestarter": {"time_to_dead": 0.5}})) as server:
        kernel_id = await server.start()
        restarting = asyncio.Event()
        server.on("restart", kernel_id, restarting.set)
        keeper = home.keeper(kernel_id)
        kill(home.kernel(kernel_id))
        await until(lambda: server.provisioner(kernel_id)._kernel.exit_code is not None)
        keeper.send_signal(signal.SIGSTOP)
        try:
            await asyncio.wait_for(restarting.wait(), 10)
            kernel = server.manager(kernel_id)
            shutdown = asyncio.ensure_future(kernel.shutdown_kernel())
            await until(lambda: kernel.provisioner._kernel is None)
        finally:
            keeper.send_signal(signal.SIGCONT)
        with contextlib.suppress(asyncio.InvalidStateError):  # jupyter_client's two ends settle one future
            await asyncio.wait_for(shutdown, 30)
        await home.until_nothing_remains(kernel_id)


async def test_a_shutdown_overtakes_a_restart_that_the_user_asked_for(serve: Serve, home: Home) -> None:
    async with serve() as server:
        kernel_id = await server.start()
        kernel = server.manager(kernel_id)
        keeper = home.keeper(kernel_id)
        keeper.send_signal(signal.SIGSTOP)
        try:
            restart = asyncio.ensure_future(kernel.restart_kernel())
            await until(lambda: kernel.provisioner._ending)
            shutdown = asyncio.ensure_future(kernel.shutdown_kernel(now=True))
            await until(lambda: kernel.provisioner._kernel is None)
        finally:
            keeper.send_signal(signal.SIGCONT)
        await asyncio.wait_for(asyncio.gather(shutdown, restart, return_exceptions=True), 40)
        await home.until_nothing_remains(kernel_id)


def _moved_on(home: Home, kernel_id: str, pid: int, happened: list[str]) -> bool:
    """Another process has taken its place, or none will."""
    return "dead" in happened or any(kernel.pid != pid for kernel in home.processes("launch.py", kernel_id))
