"""Programs of all sorts: synchronous ones, several event loops one after another, threads, and cells with children."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import psutil
from jupyter_client.manager import AsyncKernelManager, KernelManager
from traitlets.config import Config

from tests.kernels.conftest import Serve
from tests.kernels.home import Home, until
from tests.kernels.serving import said

WITH_CHILD = """
import subprocess
child = subprocess.Popen(["sleep", "600"])
print(child.pid, flush=True)
child.wait()
"""


def test_a_synchronous_manager_works_from_any_thread(home: Home) -> None:
    manager = KernelManager(kernel_name="gpu-bridge-here")
    heard: list[str] = []

    def execute() -> None:
        client = manager.blocking_client()
        client.start_channels(hb=False)
        client.wait_for_ready(timeout=30)
        client.execute_interactive(
            "print(2 + 2)", timeout=30, output_hook=lambda message: heard.append(message["content"].get("text", ""))
        )
        client.stop_channels()

    for step in (manager.start_kernel, execute, manager.restart_kernel, execute, manager.is_alive):
        _in_thread(step)
    kernel_id = str(manager.kernel_id)
    assert "".join(heard) == "4\n4\n"
    assert manager.is_alive()
    _in_thread(manager.shutdown_kernel)
    assert not manager.is_alive()
    assert not [line for line in home.remains(kernel_id) if "launch.py" in line]


def test_each_call_may_come_from_another_event_loop(home: Home) -> None:
    manager = AsyncKernelManager(kernel_name="gpu-bridge-here")
    asyncio.run(manager.start_kernel())
    assert asyncio.run(_alive(manager))
    asyncio.run(manager.restart_kernel())
    asyncio.run(manager.signal_kernel(0))
    assert asyncio.run(_alive(manager))
    asyncio.run(manager.shutdown_kernel())
    assert not asyncio.run(_alive(manager))


async def test_an_interrupt_reaches_what_the_cell_has_started(serve: Serve, home: Home) -> None:
    async with serve() as server:
        kernel_id = await server.start()
        async with server.client(kernel_id) as client:
            for interrupt in (
                lambda: server.interrupt_kernel(kernel_id),  # by message
                lambda: server.provisioner(kernel_id).send_signal(2),  # as for specs with `interrupt_mode: signal`
            ):
                children = _children(home, kernel_id)
                cell = asyncio.ensure_future(said(client, WITH_CHILD))
                await until(lambda children=children: _children(home, kernel_id) - children)
                (child,) = _children(home, kernel_id) - children
                await interrupt()
                assert (await asyncio.wait_for(cell, 10)).endswith("KeyboardInterrupt")
                await until(lambda child=child: not psutil.pid_exists(child) or _is_over(child))


async def test_an_idle_kernel_is_culled_and_nothing_of_it_remains(serve: Serve, home: Home) -> None:
    config = Config({"Server": {"cull_idle_timeout": 1, "cull_interval": 1}})
    async with serve(config) as server:
        kernel_id = await server.start()
        await server.run(kernel_id, "print(1)")
        await until(lambda: kernel_id not in server)
        await home.until_nothing_remains(kernel_id)


async def _alive(manager: Any) -> bool:
    return bool(await manager.is_alive())


def _in_thread(step: Any) -> None:
    failed: list[BaseException] = []

    def run() -> None:
        try:
            step()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    assert not failed


def _children(home: Home, kernel_id: str) -> set[int]:
    return {child.pid for child in home.kernel(kernel_id).children() if child.name() == "sleep"}


def _is_over(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
