"""Starts that are given up on the machine, at instants that only a busy machine makes long: nothing is left of them."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from jupyter_gpu_bridge.agent import launch
from jupyter_gpu_bridge.agent.kernels import Kernels
from jupyter_gpu_bridge.agent.mux import Refusal
from jupyter_gpu_bridge.agent.places import kernels_folder, sockets_folder

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

DEADLINE = 20.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def home() -> Iterator[Path]:
    """Where an agent keeps its things; short, because sockets are made below it."""
    folder = Path(tempfile.mkdtemp(prefix="ga-", dir="/tmp"))
    yield folder
    for process in _processes(folder):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def kernels(home: Path) -> Iterator[Kernels]:
    kernels = Kernels(home)
    yield kernels
    for process in _processes(home):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    give_up = time.monotonic() + DEADLINE
    while kernels._children and time.monotonic() < give_up:
        kernels.reap()
        time.sleep(0.01)


def _spec(**more: Any) -> dict[str, Any]:
    fresh = {"kernel_id": str(uuid.uuid4()), "owner": "a test", "key": "0", "python": sys.executable, "env": {}}
    return {**fresh, **more}


def _processes(home: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if str(home) in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def _left(home: Path) -> list[str]:
    """Whatever there still is of any kernel."""
    lines = [str(process) for process in _processes(home)]
    return [*lines, *os.listdir(kernels_folder(home)), *os.listdir(sockets_folder(home))]


async def _until_nothing_is_left(home: Path) -> None:
    give_up = time.monotonic() + DEADLINE
    while found := _left(home):
        assert time.monotonic() < give_up, found
        await asyncio.sleep(0.02)


_TOLD_BETWEEN = """
import os, signal, threading

begin = threading.Thread.start

def told_before(thread):
    if thread.name == "kernel-wait":
        os.kill(os.getpid(), signal.SIGTERM)
    begin(thread)

threading.Thread.start = told_before
"""
"""The kernel has just been born, and the keeper does not have it yet."""


async def test_a_keeper_that_is_ended_while_it_starts_its_kernel_takes_it_along(
    home: Path, kernels: Kernels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(_TOLD_BETWEEN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(Refusal):
        await kernels.start(_spec(), lambda text: None)
    assert not [each for each in _processes(home) if "launch.py" in " ".join(each.cmdline())]
    await _until_nothing_is_left(home)


async def test_starts_that_are_given_up_at_any_instant_leave_nothing(home: Path, kernels: Kernels) -> None:
    chance = random.Random(7)

    async def start_and_give_up(after: float) -> None:
        start = asyncio.ensure_future(kernels.start(spec := _spec(), lambda text: None))
        await asyncio.wait([start], timeout=after)
        if start.cancel():
            await asyncio.wait([start])
        else:  # it was there before
            await kernels.stop(spec["kernel_id"])

    for _ in range(5):
        # Several at once make each other slow, so that instants become long.
        await asyncio.gather(*(start_and_give_up(chance.uniform(0.0, 0.3)) for _ in range(5)))
    await _until_nothing_is_left(home)


def test_a_kernel_whose_folder_was_cleared_away_does_not_make_it_again(tmp_path: Path) -> None:
    file = tmp_path / "gone" / "connection.json"
    ran = subprocess.run(
        [sys.executable, launch.__file__, "-f", str(file)], capture_output=True, text=True, timeout=30, check=False
    )
    assert ran.returncode == 1
    assert "given up" in ran.stderr
    assert not file.parent.exists()


async def test_what_a_killed_keeper_left_is_cleared_away_by_the_next_agent(home: Path, kernels: Kernels) -> None:
    await kernels.start(running := _spec(), lambda text: None)
    dead, young = (kernels_folder(home) / str(uuid.uuid4()) for _ in range(2))
    for folder in (dead, young):
        folder.mkdir()
        (folder / "kernel.log").touch()
    long_ago = time.time() - 3600
    for folder in (dead, kernels.folder(running["kernel_id"])):
        os.utime(folder, (long_ago, long_ago))
    Kernels(home).sweep_dead()
    assert sorted(os.listdir(kernels_folder(home))) == sorted([running["kernel_id"], young.name])
    await kernels.stop(running["kernel_id"])
