"""Programs of all sorts: synchronous ones, several event loops one after another, threads, and cells with children."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from functools import partial
from typing import Any

import psutil
from traitlets.config import Config

from tests.kernels.conftest import Serve
from tests.kernels.home import Home, until
from tests.kernels.serving import alone, said

WITH_CHILD = """
import subprocess
child = subprocess.Popen(["sleep", "600"])
print(child.pid, flush=True)
child.wait()
"""


SYNCHRONOUS = """
import threading
from jupyter_client.manager import KernelManager

def execute():
    client = manager.blocking_client()
    client.start_channels(hb=False)
    client.wait_for_ready(timeout=30)
    client.execute_interactive("print(2 + 2)", timeout=30)
    client.stop_channels()

def in_thread(step):
    thread = threading.Thread(target=step)
    thread.start()
    thread.join()

manager = KernelManager(kernel_name="gpu-bridge-here")
in_thread(manager.start_kernel)
print(manager.kernel_id, flush=True)
for step in (execute, manager.restart_kernel, execute):
    in_thread(step)
print(manager.is_alive())
in_thread(manager.shutdown_kernel)
print(manager.is_alive())
"""


async def test_a_synchronous_manager_works_from_any_thread(home: Home) -> None:
    script = [sys.executable, "-c", SYNCHRONOUS]
    ran = await asyncio.to_thread(subprocess.run, script, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    kernel_id, *heard = ran.stdout.split()
    assert heard == ["4", "4", "True", "False"]
    await home.until_nothing_remains(kernel_id)


def test_each_call_may_come_from_another_event_loop(home: Home) -> None:
    manager = alone()
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
            for by_message in (True, False):
                before = _children(home, kernel_id)
                cell = asyncio.ensure_future(said(client, WITH_CHILD))
                await until(partial(_has_more, home, kernel_id, before))
                (child,) = _children(home, kernel_id) - before
                if by_message:
                    await server.manager(kernel_id).interrupt_kernel()
                else:  # as for kernelspecs with `interrupt_mode: signal`
                    await server.provisioner(kernel_id).send_signal(signal.SIGINT)
                assert (await asyncio.wait_for(cell, 10)).endswith("KeyboardInterrupt")
                await until(partial(_is_over, child))


async def test_an_idle_kernel_is_culled_and_nothing_of_it_remains(serve: Serve, home: Home) -> None:
    config = Config({"Server": {"cull_idle_timeout": 1, "cull_interval": 1}})
    async with serve(config) as server:
        kernel_id = await server.start()
        await server.run(kernel_id, "print(1)")
        await until(lambda: kernel_id not in server)
        await home.until_nothing_remains(kernel_id)


async def _alive(manager: Any) -> bool:
    return bool(await manager.is_alive())


def _children(home: Home, kernel_id: str) -> set[int]:
    return {child.pid for child in home.kernel(kernel_id).children() if child.name() == "sleep"}


def _has_more(home: Home, kernel_id: str, before: set[int]) -> bool:
    return bool(_children(home, kernel_id) - before)


def _is_over(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
