"""Which processes of a scene live: told by their command lines and by the home in their environment."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path

import psutil

DEADLINE = 20.0


class Role(Enum):
    """What a process of ours is; the values are words of its command line."""

    LINK = "jupyter_gpu_bridge.machine.link"
    AGENT = "run.py agent"
    KEEPER = "run.py keeper"
    KERNEL = "connection.json"


def alive(home: Path, role: Role) -> list[int]:
    """The processes of this role whose home lies here."""
    return [each.pid for each in below(home) if role.value in _command(each)]


def below(home: Path) -> list[psutil.Process]:
    """All whose home lies here, whoever started them."""
    return [each for each in psutil.process_iter() if _home(each).startswith(str(home))]


def until(what: str, is_so: Callable[[], bool], deadline: float = DEADLINE) -> None:
    """Wait for something that only looking can tell."""
    give_up = time.monotonic() + deadline
    while not is_so():
        assert time.monotonic() < give_up, f"it never came to be that {what}"
        time.sleep(0.02)


def kill(*pids: int) -> None:
    """As `kill -9` does; returns when they are gone."""
    processes = [psutil.Process(pid) for pid in pids]
    for each in processes:
        each.kill()
    psutil.wait_procs(processes, timeout=DEADLINE)


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _home(process: psutil.Process) -> str:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return ""
        return str(process.environ().get("HOME", ""))
    except psutil.Error:
        return ""
