"""What becomes of a crontab, and what a real cron makes of our line; run by `test_cron` with crontabs of its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from jupyter_gpu_bridge.rentals.guard_timer import install, remove, script, timer_now
from jupyter_gpu_bridge.rentals.guard_timer.cron import Cron, line
from tests.missing_programs import find_program
from tests.rentals.guard_timer.rounds import oddly_named_python, rounds_are_well
from tests.rentals.guard_timer.system import ODD
from tests.rentals.renting.world import Renting, renting, until

OTHERS = b"# mine\nMAILTO=ada\n\n  5 4 * * * echo \xff\x0b 100\\% # not jupyter-gpu-bridge-guard \n"


async def table() -> None:
    cron = Cron()
    assert not await cron.is_installed()
    for _ in range(2):  # where there is no table yet
        await cron.install()
        assert _table() == line(str(script.place())) + b"\n"
    await cron.remove()
    assert _table() == b""
    _set_table(OTHERS)
    for _ in range(2):
        await cron.install()
        assert _table() == OTHERS + line(str(script.place())) + b"\n"
    assert await cron.is_installed()
    await cron.remove()
    assert _table() == OTHERS
    assert not await cron.is_installed()


async def daemon(world: Renting) -> None:
    """It takes the line within a minute, where ours says five; the rest of it is the very same."""
    sys.executable = oddly_named_python(world.home.folder)
    standing = await world.rent()
    world.kill_wardens()
    assert (await install()).startswith("cron runs the guard")
    assert (await timer_now()).text.endswith("has not done so yet.")
    _set_table(_table().replace(b"*/5 ", b"* ", 1))
    with _cron():
        await until(lambda: script.last_round() is not None, within=120)
    await rounds_are_well(world, standing)
    assert await remove() == "The guard is not run by cron any more."
    assert _table() == b""
    assert not script.place().exists()


@contextmanager
def _cron() -> Iterator[None]:
    program = find_program("cron")
    assert program is not None
    process = subprocess.Popen([program, "-f"], env={"PATH": "/usr/bin:/bin"})
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def _set_table(table: bytes) -> None:
    subprocess.run(["crontab", "-"], input=table, check=True)


def _table() -> bytes:
    return subprocess.run(["crontab", "-l"], stdout=subprocess.PIPE, check=True).stdout


def main(story: str) -> None:
    if story == "table":
        asyncio.run(table())
    else:
        with renting(suffix=ODD) as world:
            asyncio.run(daemon(world))
    print("all as it should be")


if __name__ == "__main__":
    main(sys.argv[1])
