"""This computer with file systems of its own where others would be in the way: crontabs, cgroups, what runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
ODD = " 100% o'clock $HOME"
"""In the name of a folder; each character of it means something to somebody on the way."""


def run_inside(module: str, *words: str, mounts: str, timeout: float) -> None:
    """The module as a program, with what `mounts` (a script) has mounted; it has to end with `all as it should be`."""
    unshare = shutil.which("unshare")
    if os.getuid() != 0 or unshare is None:
        pytest.skip("only root may mount what this needs")
    ran = subprocess.run(
        [unshare, "-m", "sh", "-ec", f'{mounts}\nexec "$@"', "sh", sys.executable, "-m", module, *words],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert (ran.returncode, ran.stdout.splitlines()[-1:]) == (0, ["all as it should be"]), ran.stdout + ran.stderr
