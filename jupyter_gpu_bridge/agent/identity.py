"""Which process it is: a number alone may belong to another one by now. The lease daemon looks at the same things."""

from __future__ import annotations

import os
import subprocess


def start_of(pid: int) -> str:
    """What tells this process from a later one of the same number; empty when it is not there or only its corpse is."""
    if not os.path.exists("/proc/self/stat"):
        return _start_by_ps(pid)
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            words = file.read().rpartition(b")")[2].split()
    except OSError:
        return ""
    return "" if words[0] in (b"Z", b"X") else words[19].decode()


def is_same(pid: int, start: str) -> bool:
    return bool(start) and start_of(pid) == start


def _start_by_ps(pid: int) -> str:
    found = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)],  # noqa: S607 - wherever this system has it
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "LC_ALL": "C"},
        check=False,
    )
    return "_".join(found.stdout.decode().split())
