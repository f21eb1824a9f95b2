"""The processes of the machines: started, looked at, and ended with everything that runs on them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from jupyter_gpu_bridge.sandbox import processes
from jupyter_gpu_bridge.sandbox.machine.place import News, Place, Setup

_ROOT = Path(__file__).resolve().parents[2]
_PATIENCE = 10.0
"""Seconds that a machine has to end by itself."""


class Fleet:
    """Knows of a machine no more than its folder and its mark, so it finds those of an earlier cloud process too."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._born: dict[str, subprocess.Popen[bytes]] = {}
        """Those that this very process has started: it has to bury them."""
        self._started: set[str] = set()

    def place(self, machine_id: str) -> Place:
        return Place(self._folder / "machines" / machine_id)

    def start(self, setup: Setup) -> None:
        place = self.place(setup.machine_id)
        place.make()
        place.forget_news()
        place.tell(setup)
        self._started.add(setup.machine_id)
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", processes.MARK: setup.mark}
        with open(os.open(place.folder / "machine.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
            self._born[setup.machine_id] = subprocess.Popen(
                [sys.executable, "-m", "jupyter_gpu_bridge.sandbox.machine", str(place.folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=_ROOT,  # where this very code is, whatever else is installed
                env=environment,
                start_new_session=True,
            )

    def heard(self, machine_id: str) -> News:
        return self.place(machine_id).heard()

    def lives(self, machine_id: str, mark: str, pid: int) -> bool:
        """Whether its process runs."""
        born = self._born.get(machine_id)
        if born is not None:
            if born.poll() is None:
                return True
            del self._born[machine_id]
            return False
        return processes.bears(pid, mark) if pid > 0 else bool(processes.marked(mark))

    def has_started(self, machine_id: str) -> bool:
        """Whether this very process has, once."""
        return machine_id in self._started

    def end(self, machine_id: str, mark: str, pid: int, *, keep_disk: bool = False) -> None:
        """Everything that runs on it, and then its disk. Blocks, seconds at the worst."""
        born = self._born.get(machine_id)
        pid = born.pid if born is not None else pid
        if self.lives(machine_id, mark, pid):
            if born is not None:
                born.terminate()
            else:
                processes.kill(pid, lambda each: processes.bears(each, mark), signal.SIGTERM)
            give_up = time.monotonic() + _PATIENCE
            while self.lives(machine_id, mark, pid) and time.monotonic() < give_up:
                time.sleep(0.005)
        processes.end_marked(mark)
        if born is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                born.wait(1.0)
            self._born.pop(machine_id, None)
        if not keep_disk:
            self.place(machine_id).remove()
