"""Everything that runs on the machine is a child of its process, however it was detached; and dies with it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from jupyter_gpu_bridge.sandbox import processes

_PR_SET_CHILD_SUBREAPER = 36

OnEnd = Callable[[int], None]
"""Told the exit status; negative: the number of the signal."""


class Children:
    """Starts processes, and buries them and all that they leave behind."""

    def __init__(self, mark: str, environment: Mapping[str, str], folder: Path) -> None:
        self._mark = mark
        self._environment = dict(environment)
        self._folder = folder
        self._waiting: dict[int, OnEnd] = {}
        self._changed = threading.Condition()
        self._is_closing = False
        if sys.platform.startswith("linux"):
            # Whoever detaches itself becomes our child, so that none is overlooked, whatever its environment says.
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        threading.Thread(target=self._bury, daemon=True, name="bury").start()

    def start(self, argv: Sequence[str], pipes: tuple[int, int, int], on_end: OnEnd) -> int:
        """Its number; raises `OSError` when it cannot be started, or when the machine is going down."""
        with self._changed:
            if self._is_closing:
                raise OSError("the machine is going down")
            process = subprocess.Popen(
                argv,
                stdin=pipes[0],
                stdout=pipes[1],
                stderr=pipes[2],
                cwd=self._folder,
                env=self._environment,
                start_new_session=True,
            )
            self._waiting[process.pid] = on_end
            process.returncode = 0  # we wait for all of them ourselves
            self._changed.notify_all()
        return process.pid

    def end_all(self, within: float = 8.0) -> None:
        """Kill what there is until nothing is left."""
        with self._changed:
            self._is_closing = True
        give_up = time.monotonic() + within
        this = os.getpid()
        while time.monotonic() < give_up:
            left = set(processes.marked(self._mark)) - {this}
            if sys.platform.startswith("linux"):
                left |= set(processes.descendants(this))
            if not left:
                return
            for pid in left:
                processes.kill(pid, self._is_ours)
            time.sleep(0.005)

    def _is_ours(self, pid: int) -> bool:
        if processes.bears(pid, self._mark):
            return True
        return sys.platform.startswith("linux") and pid in processes.descendants(os.getpid())

    def _bury(self) -> None:
        while True:
            try:
                pid, status = os.wait()
            except ChildProcessError:
                with self._changed:
                    self._changed.wait_for(lambda: bool(self._waiting))
                continue
            with self._changed:
                on_end = self._waiting.pop(pid, None)
            if on_end is not None:
                with contextlib.suppress(OSError):
                    on_end(os.waitstatus_to_exitcode(status))
