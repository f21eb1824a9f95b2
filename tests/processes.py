"""Processes that outlive whoever started them, found again by the home that a test gave them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil


def living_below(folder: Path) -> Sequence[psutil.Process]:
    """All whose home is in this folder, at both ends of every link, whoever started them."""
    return [each for each in psutil.process_iter() if folder in Path(_home_of(each)).parents]


def end_processes(processes: Sequence[psutil.Process]) -> None:
    for each in processes:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    psutil.wait_procs(processes, timeout=10)


def _home_of(process: psutil.Process) -> str:
    try:
        return str(process.environ().get("HOME", "")) if process.pid != os.getpid() else ""
    except psutil.Error:
        return ""
