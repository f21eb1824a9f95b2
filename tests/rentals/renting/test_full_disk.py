"""A disk that is full under the ledger: nothing is rented, everything is ended, and the truth is written down later."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]

_DISK = f"""
set -e
mkdir disk
mount -t tmpfs -o size=8m tmpfs disk
exec {sys.executable} -m tests.rentals.renting.full_disk "$PWD/disk"
"""


@pytest.mark.timeout(180)
def test_with_a_full_disk_under_the_ledger_nothing_is_rented_and_everything_is_ended(tmp_path: Path) -> None:
    """On a real file system of its own, with real wardens."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this computer lets us mount nothing")
    ran = subprocess.run(
        [unshare, "-rm", "sh", "-c", _DISK],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert (ran.returncode, ran.stdout.splitlines()[-1:]) == (0, ["all as it should be"]), ran.stdout + ran.stderr
