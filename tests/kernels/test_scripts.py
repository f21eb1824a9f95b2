"""Kernels of scripts end with them, by whatever they end; those of servers wait for the next server."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from jupyter_gpu_bridge.bridge import Bridge
from tests.kernels.home import Home, kill, until

NOTEBOOK = """
import sys
import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(sys.argv[1])])
config = Config({"GpuBridgeProvisioner": {"orphan_grace": float(sys.argv[2])}})
NotebookClient(notebook, kernel_name="gpu-bridge-here", config=config).execute()
print(notebook.cells[0].outputs[0].text)
"""

SERVER = """
import asyncio, sys
from pathlib import Path
from traitlets.config import Config
from tests.kernels.serving import Server

async def main() -> None:
    server = Server(Path(sys.argv[1]), Config({"GpuBridgeProvisioner": {"orphan_grace": 0.5}}))
    kernel_id = await server.start()
    print(await server.run(kernel_id, "x = 11; print('set')"), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@contextmanager
def _script(home: Home, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    script = subprocess.Popen(
        [sys.executable, "-c", *arguments], env=environment, cwd=home.folder, text=True, stdout=subprocess.PIPE
    )
    try:
        yield script
    finally:
        script.kill()
        script.communicate(timeout=10)


async def test_a_notebook_that_was_run_leaves_nothing(home: Home) -> None:
    before = _kernels(home)
    with _script(home, NOTEBOOK, "print(6 * 7)", "30") as script:
        out, _ = await asyncio.to_thread(script.communicate, timeout=60)
        assert (out.strip(), script.returncode) == ("42", 0)
    await until(lambda: _kernels(home) <= before)


@pytest.mark.parametrize("with_link", [False, True])
async def test_the_kernel_of_a_script_that_was_killed_ends_after_a_grace(home: Home, with_link: bool) -> None:
    before = _kernels(home)
    with _script(home, NOTEBOOK, "import time; time.sleep(600)", "1") as script:
        await until(lambda: _kernels(home) - before)
        (kernel_id,) = _kernels(home) - before
        await until(lambda: (home.bridge / "links" / "local" / "kernels" / kernel_id).exists())
        await until(lambda: home.processes("launch.py", kernel_id))
        script.kill()
        if with_link:
            kill(home.link())
            await Bridge().kernels(wake=True)  # somebody starts the next one
    await home.until_nothing_remains(kernel_id, within=20)


async def test_the_kernel_of_a_server_that_was_killed_goes_on(home: Home) -> None:
    before = _kernels(home)
    with _script(home, SERVER, str(home.runtime)) as script:
        assert script.stdout is not None
        assert "set" in await asyncio.to_thread(script.stdout.readline)
        (kernel_id,) = _kernels(home) - before
        script.kill()
        kernel = home.kernel(kernel_id)
        await until(lambda: not psutil.pid_exists(script.pid) or script.poll() is not None)
    link = home.bridge / "links" / "local" / "kernels" / kernel_id
    await asyncio.sleep(3)  # six times the grace of a script's kernel
    assert kernel.is_running()
    assert link.exists()
    (view,) = [view for view in await Bridge().kernels() if view.kernel_id == kernel_id]
    assert not view.attached
    await Bridge().stop_kernel(view.kernel_id)
    (home.runtime / f"kernel-{kernel_id}.json").unlink(missing_ok=True)
    await home.until_nothing_remains(kernel_id)


def _kernels(home: Home) -> set[str]:
    """Those that have a keeper."""
    found = set()
    for process in home.processes(" keeper "):
        found.add(Path(process.cmdline()[-1]).name)
    return found
