"""The guard by systemd: its own judge of unit files, and a real systemd of the user."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from jupyter_gpu_bridge.rentals.guard_timer.systemd import units
from tests.rentals.guard_timer.system import ODD, run_inside

_MOUNTS = """
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system
mount -t cgroup2 cgroup2 /sys/fs/cgroup
"""

pytestmark = [pytest.mark.needs("systemctl", "systemd-analyze"), pytest.mark.timeout(120)]


@pytest.mark.parametrize("program", ["/home/ada/guard.sh", f'/home/a"b\\c{ODD}/guard.sh'])
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path, program: str) -> None:
    for name, text in units(program).items():
        (tmp_path / name).write_text(text)
    ran = subprocess.run(
        ["systemd-analyze", "verify", "--user", *(str(tmp_path / name) for name in units(program))],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_a_systemd_of_the_user_runs_it() -> None:
    run_inside("tests.rentals.guard_timer.systemd_inside", mounts=_MOUNTS, timeout=110)
