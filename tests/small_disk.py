"""A real file system of a few megabytes, on which a story of a test is played in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ALL_WELL = "all as it should be"
"""What the process says at its end."""

_REPOSITORY = Path(__file__).parents[1]
_SCRIPT = """
set -e
mkdir disk
mount -t tmpfs -o size="$1" tmpfs disk
shift
exec "$@" "$PWD/disk"
"""


def play_on_small_disk(folder: Path, module: str, *words: str, megabytes: int = 1, within: float = 60) -> None:
    """`python -m MODULE WORDS DISK`; skipped where this computer lets nobody mount anything."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this computer lets us mount nothing")
    ran = subprocess.run(
        [unshare, "-rm", "sh", "-c", _SCRIPT, "sh", f"{megabytes}m", sys.executable, "-m", module, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(_REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=within,
        check=False,
    )
    assert (ran.returncode, ran.stdout.splitlines()[-1:]) == (0, [ALL_WELL]), ran.stdout + ran.stderr


def fill(path: Path) -> None:
    """Until nothing more can be written."""
    try:
        with path.open("wb", buffering=0) as file:
            while file.write(bytes(512)):
                pass
    except OSError:
        return
