"""Interrupt, restart and death."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import psutil
import pytest
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.ioloop.manager import AsyncIOLoopKernelManager
from traitlets.config import Config

from tests.compatibility.conftest import Running
from tests.compatibility.conversation import gather, run, wait_for_output

_CHILD = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open({path!r}, "w").write(str(child.pid))
print("running", flush=True)
child.wait()
"""


def test_an_interrupt_ends_the_cell_and_nothing_else(kernel: Running) -> None:
    run(kernel.client, "kept = 1")
    asked = kernel.client.execute("import time; print('sleeping', flush=True); time.sleep(600)")
    wait_for_output(kernel.client, asked, "sleeping")
    kernel.manager.interrupt_kernel()
    assert gather(kernel.client, asked).reply["content"]["ename"] == "KeyboardInterrupt"
    assert run(kernel.client, "print(kept)").stdout == "1\n"


def test_an_interrupt_ends_the_subprocesses_of_the_cell(kernel: Running, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    asked = kernel.client.execute(_CHILD.format(path=str(file)))
    wait_for_output(kernel.client, asked, "running")
    child = psutil.Process(int(file.read_text()))
    kernel.manager.interrupt_kernel()
    assert gather(kernel.client, asked).reply["content"]["ename"] == "KeyboardInterrupt"
    run(kernel.client, "child.wait(10)")
    assert not child.is_running()


@pytest.mark.parametrize("now", [False, True], ids=["graceful", "at once"])
def test_a_restart_gives_a_fresh_process_on_the_same_connection(kernel: Running, now: bool) -> None:
    before, connection = kernel.pid, Path(kernel.manager.connection_file).read_bytes()
    run(kernel.client, "forgotten = 1")
    kernel.manager.restart_kernel(now=now)
    kernel.client.wait_for_ready(timeout=30)
    assert kernel.pid != before
    assert run(kernel.client, "forgotten").reply["content"]["ename"] == "NameError"
    assert Path(kernel.manager.connection_file).read_bytes() == connection


def test_a_kernel_that_dies_is_noticed_and_started_again(kernel_name: str) -> None:
    asyncio.run(_die(kernel_name))


async def _die(kernel_name: str) -> None:
    quickly = Config({"KernelRestarter": {"time_to_dead": 0.5}})
    manager = AsyncIOLoopKernelManager(kernel_name=kernel_name, config=quickly)
    await manager.start_kernel()
    client = manager.client()
    try:
        restarted = asyncio.Event()
        manager.add_restart_callback(restarted.set, "restart")
        client.start_channels(hb=False)
        await client.wait_for_ready(timeout=30)
        client.execute("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
        await asyncio.wait_for(restarted.wait(), 20)
        client.stop_channels()
        client = await _next_client(manager)
        assert (await client.execute("1", reply=True, timeout=20))["content"]["status"] == "ok"
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)


async def _next_client(manager: AsyncIOLoopKernelManager) -> AsyncKernelClient:
    """A client of the restarted kernel, whose ports may be others."""
    until = time.monotonic() + 20
    while True:
        client: AsyncKernelClient = manager.client()
        client.start_channels(hb=False)
        try:
            await client.wait_for_ready(timeout=5)
        except RuntimeError:
            client.stop_channels()
            if time.monotonic() > until:
                raise
        else:
            return client
