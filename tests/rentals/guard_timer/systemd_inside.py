"""What a real systemd of the user makes of our units; run by `test_systemd`, with a cgroup of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from pathlib import Path

from jupyter_gpu_bridge.rentals.guard_timer import install, remove, script, timer_now
from tests.rentals.guard_timer.rounds import oddly_named_python, rounds_are_well
from tests.rentals.guard_timer.system import ODD
from tests.rentals.renting.world import Renting, renting, until

_TIMER = "jupyter-gpu-bridge-guard.timer"


async def timer(world: Renting) -> None:
    sys.executable = oddly_named_python(world.home.folder)
    standing = await world.rent()
    world.kill_wardens()
    for _ in range(2):
        assert (await install()).startswith("systemd runs the guard")
    await until(lambda: script.last_round() is not None)
    await until(lambda: _systemctl("is-active", "jupyter-gpu-bridge-guard.service") == "inactive")
    assert _systemctl("is-enabled", _TIMER) == "enabled"
    assert _systemctl("is-active", _TIMER) == "active"
    assert _systemctl("show", "-P", "NextElapseUSecMonotonic", _TIMER) not in ("", "infinity"), "it is run again"
    await rounds_are_well(world, standing)
    assert await remove() == "The guard is not run by systemd any more."
    assert _systemctl("is-active", _TIMER) == "inactive"
    assert (await timer_now()).runner is None


def _systemctl(*words: str) -> str:
    return subprocess.run(
        ["systemctl", "--user", *words], stdout=subprocess.PIPE, text=True, check=False
    ).stdout.strip()


def _is_removed(cgroup: Path) -> bool:
    """It can be when nothing runs in it any more."""
    for folder, _, _ in os.walk(cgroup, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(folder)
    return not cgroup.exists()


def main() -> None:
    cgroup = Path(f"/sys/fs/cgroup/gpu-bridge-test-{os.getpid()}")
    os.environ["XDG_RUNTIME_DIR"] = "/run/user"
    with renting(suffix=ODD) as world:
        # In a cgroup of its own, for it takes possession of the one that it is started in.
        begin = 'mkdir -p "$0" "$XDG_RUNTIME_DIR"; echo $$ >"$0/cgroup.procs"; exec /lib/systemd/systemd --user'
        systemd = subprocess.Popen(["sh", "-ec", begin, str(cgroup)])
        try:
            asyncio.run(until(lambda: _systemctl("is-active", "basic.target") == "active"))
            asyncio.run(timer(world))
        finally:
            _systemctl("exit")
            systemd.wait(20)
    asyncio.run(until(lambda: _is_removed(cgroup)))
    print("all as it should be")


if __name__ == "__main__":
    main()
