"""A link process that does not answer: which process that is, and its end."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

from jupyter_gpu_bridge.machine.link.places import program_of, take_over
from jupyter_gpu_bridge.model import MachineRef

END_WITHIN = 5.0
"""Seconds in which the system ends a process that is killed, unless it waits for a disk."""

_DARWIN_SOL_LOCAL, _DARWIN_LOCAL_PEERPID = 0, 2


def listener_of(connection: socket.socket) -> int | None:
    """The process that listens at the other end, as the system knows it, also when it has accepted nothing yet."""
    with contextlib.suppress(OSError):
        if sys.platform == "darwin":
            return connection.getsockopt(_DARWIN_SOL_LOCAL, _DARWIN_LOCAL_PEERPID) or None
        found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", found)[0]) or None
    return None


def end(pid: int, machine: MachineRef, folder: Path) -> bool:
    """Kill it, where its command line says that it keeps this link; whether another can take its place."""
    if not _command_line(pid).endswith(f"-m {program_of(machine)} {folder}"):
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    give_up = time.monotonic() + END_WITHIN
    while time.monotonic() < give_up:
        with take_over(folder) as is_free:  # also of one that nobody has buried yet
            if is_free:
                return True
        time.sleep(0.02)
    return False


def _command_line(pid: int) -> str:
    """Nothing where there is no such process."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        asked = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
        return subprocess.run(asked, capture_output=True, text=True, timeout=END_WITHIN, check=False).stdout.strip()
    return ""
