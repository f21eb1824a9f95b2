"""The folder that the lease daemon of a rented machine watches: what is written there for it, and what it says itself.

The daemon is a shell script that the cloud started at boot (`machine/lease/daemon.sh`). Only the first line of a file
counts, so that one that is there already can be written over where the disk is full.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from jupyter_gpu_bridge.agent.identity import is_same

VERSION = 1


@dataclass(frozen=True)
class State:
    """What the daemon wrote down last, in seconds of its own clock."""

    version: int
    lease_end: int
    hard_end: int
    seen: int
    serial: str
    phase: str
    """`living`, `overtime` (only because a kernel is busy), `saving` or `ending`."""


def find_folder(home: Path) -> Path | None:
    """Where the start script has put it; `None` where there is no lease.

    Not looked for in places that several machines may share, as those of a sandbox share what is temporary; where the
    start script has fallen back on such a place, so have we.
    """
    told = os.environ.get("GPU_BRIDGE_LEASE_DIR")
    places = [*([Path(told)] if told else []), home / "lease", Path(os.path.expanduser("~/.jupyter-gpu-bridge/lease"))]
    return next((place for place in places if _is_ours(place)), None)


def _is_ours(place: Path) -> bool:
    try:
        return (place / "settings").is_file() and place.stat().st_uid == os.getuid()
    except OSError:
        return False


class LeaseFolder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._revived: list[subprocess.Popen[bytes]] = []

    def settings(self) -> dict[str, str]:
        """What the start script knew."""
        with contextlib.suppress(OSError, ValueError):
            words = shlex.split((self.path / "settings").read_text())
            return dict(word.partition("=")[::2] for word in words)
        return {}

    def state(self) -> State | None:
        """`None` when the daemon has never run."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            words = (self.path / "state").read_text().splitlines()[0].split()
            return State(int(words[0]), int(words[2]), int(words[3]), int(words[4]), words[5], words[6])
        return None

    def now(self) -> float | None:
        """What the daemon's clock says; `None` where it has one that only it can read."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            return float(Path(self.settings().get("clock") or "/proc/uptime").read_text().split()[0])
        return None

    def is_watched(self) -> bool:
        """Whether the daemon runs."""
        with contextlib.suppress(OSError, ValueError):
            pid, start = (self.path / "daemon.lock").read_text().split()
            return is_same(int(pid), start)
        return False

    def revive(self) -> None:
        """Start the daemon's supervisor; one that finds another at work leaves at once."""
        self._revived = [process for process in self._revived if process.poll() is None]
        script = str(self.path / "daemon.sh")
        process = subprocess.Popen(
            ["sh", script, str(self.path), "supervise"],  # noqa: S607 - as the start script found it
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        self._revived.append(process)

    def write(self, name: str, line: str) -> None:
        """Raises `OSError`."""
        data = line.encode() + b"\n"
        path = self.path / name
        fresh = self.path / f".{name}-{os.getpid()}"
        try:
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(data)
            os.replace(fresh, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                fresh.unlink()
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or not path.exists():
                raise
            with open(path, "r+b", buffering=0) as file:
                file.write(data)

    def add_home(self, home: Path) -> None:
        """So that the kernels there are stopped in the end."""
        path = self.path / "homes"
        known = path.read_text().splitlines() if path.exists() else []
        if str(home) not in known and "\n" not in str(home):
            with open(path, "a") as file:
                file.write(str(home) + "\n")
