"""Kernels of scripts end with them, by whatever they end; those of servers wait for the next server."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.model import Host, MachineRef, Profile
from tests.kernels.home import Home, kill, until
from tests.ports import free_port

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

EXECUTE = ["-c", "from nbclient.cli import main; main()", "{notebook}"]
PAPERMILL = ["-m", "papermill", "{notebook}", "-", "--no-progress-bar"]

AT_THE_END = """
import atexit
from jupyter_gpu_bridge.machine.link.links import is_linked
atexit.register(lambda: print("linked:", is_linked()))
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


async def test_a_script_has_left_its_links_before_the_interpreter_takes_itself_apart(home: Home) -> None:
    with _script(home, f"{AT_THE_END}{NOTEBOOK}", "print(6 * 7)", "30") as script:
        out, _ = await asyncio.to_thread(script.communicate, timeout=60)
        assert out.split() == ["42", "linked:", "False"]


@pytest.mark.parametrize("program", [EXECUTE, PAPERMILL], ids=["jupyter execute", "papermill"])
async def test_programs_that_execute_a_notebook_complain_of_nothing_at_their_end(
    home: Home, tmp_path: Path, program: list[str]
) -> None:
    done = await _execute(home, tmp_path, program, "here")
    assert done.returncode == 0
    assert "Task was destroyed" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("program", [EXECUTE, PAPERMILL], ids=["jupyter execute", "papermill"])
async def test_programs_that_execute_a_notebook_say_last_why_a_machine_cannot_be_reached(
    home: Home, tmp_path: Path, program: list[str]
) -> None:
    Bridge().add_host(Host("off", "127.0.0.1", port=free_port()))
    try:
        Bridge().add_profile(Profile("off", MachineRef("ssh", "off")))
        done = await _execute(home, tmp_path, program, "off")
    finally:
        await Bridge().remove_host("off")
    assert done.returncode != 0
    last = done.stderr.rstrip().splitlines()[-1]
    assert "off (127.0.0.1 port" in last
    assert "refuses connections" in last
    assert "direct cause" not in done.stderr
    assert "Task was destroyed" not in done.stderr


async def _execute(home: Home, folder: Path, program: list[str], profile: str) -> subprocess.CompletedProcess[str]:
    """One notebook, by a program of which nobody knows that the kernel is far away."""
    notebook = folder / "n.ipynb"
    cell: dict[str, object] = {
        "cell_type": "code",
        "id": "a",
        "source": "6 * 7",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
    }
    kernel = {"name": f"gpu-bridge-{profile}", "display_name": profile, "language": "python"}
    content = {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    notebook.write_text(json.dumps(content))
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, *(word.format(notebook=notebook) for word in program)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        cwd=home.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


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
