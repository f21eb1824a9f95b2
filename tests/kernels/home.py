"""A home of its own for the tests of kernels, and what is left in it of a kernel: files, sockets, processes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from jupyter_gpu_bridge import keys
from jupyter_gpu_bridge.machine.link import links
from tests.own_home import variables

DEADLINE = 30.0


class Home:
    """Everything of ours on this computer is below `folder`, and so are the names of all our processes' files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bridge = folder / "bridge"
        self.runtime = folder / "run"

    def processes(self, *words: str) -> list[psutil.Process]:
        """Ours, whose command line contains all these words."""
        found = []
        for process in psutil.process_iter():
            try:
                line = " ".join(process.cmdline())
                if str(self.folder) in line and all(word in line for word in words):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    def link(self, machine: str = "local") -> psutil.Process:
        """Beside it another one may be there for a moment, which finds that it is not needed."""
        return min(self.processes("machine.link", f"links/{machine}"), key=lambda each: each.create_time())

    def keeper(self, kernel_id: str) -> psutil.Process:
        (found,) = self.processes(" keeper ", kernel_id)
        return found

    def kernel(self, kernel_id: str) -> psutil.Process:
        (found,) = self.processes("launch.py", kernel_id)
        return found

    def connection(self, kernel_id: str) -> dict[str, Any]:
        """What its connection file says."""
        found: dict[str, Any] = json.loads((self.runtime / f"kernel-{kernel_id}.json").read_text())
        return found

    def remains(self, kernel_id: str) -> list[str]:
        """Whatever there still is of this kernel, here and on the machine."""
        mark = hashlib.sha256(kernel_id.encode()).hexdigest()[:12]
        names = [
            os.path.join(folder, name)
            for folder, folders, files in os.walk(self.folder)
            for name in (*folders, *files)
            if kernel_id in name or mark in name
        ]
        return [*names, *filter(None, map(_line, self.processes(kernel_id)))]

    async def until_nothing_remains(self, kernel_id: str, within: float = DEADLINE) -> None:
        await until(lambda: not self.remains(kernel_id), within, lambda: f"left: {self.remains(kernel_id)}")

    def clear(self) -> None:
        """End everything that was started in here."""
        processes = self.processes()
        for process in processes:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(processes, timeout=5)
        shutil.rmtree(self.folder, ignore_errors=True)


async def until(
    condition: Callable[[], object], within: float = DEADLINE, explain: Callable[[], str] = lambda: ""
) -> None:
    """Return as soon as it is true; fail when it does not become so in time."""
    give_up = time.monotonic() + within
    while not condition():
        assert time.monotonic() < give_up, explain()
        await asyncio.sleep(0.02)


@contextmanager
def entered(suffix: str = "") -> Iterator[Home]:
    """This process's environment points into a fresh home; afterwards nothing of it is left."""
    # Short, because Unix sockets are made below it.
    home = Home(Path(tempfile.mkdtemp(suffix, prefix="gk-", dir="/tmp")))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables(home.folder).items():
            patch.setenv(name, value)
        for name in ("JUPYTER_PATH", *keys.variables()):
            patch.delenv(name, raising=False)
        try:
            yield home
        finally:
            asyncio.run(links().close())
            home.clear()


def kill(process: psutil.Process) -> None:
    os.kill(process.pid, 9)


def _line(process: psutil.Process) -> str:
    """What it runs; nothing when it has just ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
