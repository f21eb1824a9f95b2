"""Which processes run on a machine, and how they are ended: those and no others.

All that a machine starts inherits a mark in its environment, 128 random bits. A process is looked at again after its
number was fixed (by a descriptor, where the system has such), so that a number that was given to another one meanwhile
does no harm.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

MARK = "SANDBOX_MACHINE_MARK"

_PROC = Path("/proc")
_IS_LINUX = sys.platform.startswith("linux")


def marked(mark: str) -> list[int]:
    """The living processes of this user whose environment has the mark."""
    if _IS_LINUX:
        return [pid for pid in _pids() if bears(pid, mark)]
    return list(_marked_by_listing(mark))


def bears(pid: int, mark: str) -> bool:
    """Whether it lives, and its environment has the mark."""
    if not _IS_LINUX:
        return pid in _marked_by_listing(mark)
    try:
        environment = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return False
    return f"{MARK}={mark}".encode() in environment.split(b"\0")


def descendants(ancestor: int) -> list[int]:
    """Children, their children, and so on; Linux only."""
    parents = {pid: parent for pid in _pids() if (parent := _parent(pid)) is not None}
    found: list[int] = []
    wanted = {ancestor}
    while wanted:
        wanted = {pid for pid, parent in parents.items() if parent in wanted}
        found += wanted
    return found


def kill(pid: int, still: Callable[[int], bool], number: signal.Signals = signal.SIGKILL) -> None:
    """End the process, if it is still the one that is meant."""
    if not hasattr(os, "pidfd_open"):
        if still(pid):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        return
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if still(pid):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(handle, number)
    finally:
        os.close(handle)


def end_marked(mark: str, within: float = 10.0) -> bool:
    """Kill until none is left, since one that is being killed may have started another; whether none is left."""
    give_up = time.monotonic() + within
    while found := marked(mark):
        for pid in found:
            kill(pid, lambda each: bears(each, mark))
        if time.monotonic() > give_up:
            return False
        time.sleep(0.005)
    return True


def _pids() -> Iterator[int]:
    return (int(entry) for entry in os.listdir(_PROC) if entry.isdigit())


def _parent(pid: int) -> int | None:
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    state, parent = stat[stat.rindex(b")") + 2 :].split()[:2]
    return None if state == b"Z" else int(parent)


def _marked_by_listing(mark: str) -> set[int]:
    """Best effort for macOS: `ps` shows the environment of one's own processes, where it is allowed to."""
    listing = subprocess.run(
        ["/bin/ps", "-axwwE", "-o", "pid=,command="], capture_output=True, text=True, errors="replace", check=False
    ).stdout
    lines = (line.split(None, 1) for line in listing.splitlines())
    return {int(words[0]) for words in lines if len(words) == 2 and f"{MARK}={mark}" in words[1]}
