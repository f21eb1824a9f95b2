"""Where a link of one machine keeps its things, and how there is never more than one."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from jupyter_gpu_bridge import settings
from jupyter_gpu_bridge.model import MachineRef

_PLAIN = "jupyter_gpu_bridge.machine.link"
PROGRAMS: Mapping[str, str] = {"rental": "jupyter_gpu_bridge.rentals.warden"}
"""Who keeps the link to machines of a kind, where that takes more than to keep it: a module to run."""


def program_of(machine: MachineRef) -> str:
    return PROGRAMS.get(machine.provider, _PLAIN)


def reads_the_ledger(machine: MachineRef) -> bool:
    return machine.provider in PROGRAMS


def folder_of(machine: MachineRef) -> Path:
    name = str(machine).replace(":", "-").replace("/", "-")
    return settings.private_folder(settings.private_folder(settings.data_folder() / "links") / name)


def socket_of(folder: Path) -> Path:
    """Short, and the same for everybody who asks."""
    mark = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    return settings.run_folder() / f"{mark}-link"


@contextlib.contextmanager
def take_over(folder: Path) -> Iterator[bool]:
    """Hold the machine's lock for as long as this link lives; false when another link has it."""
    with open(os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
