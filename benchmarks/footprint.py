"""What our processes cost while nothing happens: memory after much work, and processor time over a while."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import psutil

from benchmarks.kernels import owners
from benchmarks.options import count
from benchmarks.processes import Role, from_scratch, ours
from benchmarks.report import Benchmark, Figures, Measured, main
from tests.compatibility.conversation import run
from tests.compatibility.world import Kind, World

_WORK = """
for number in range(2000):
    print(number, flush=True)
for number in range({megabytes}):
    print("x" * 1_000_000, flush=True)
"""

_MOST_MB = {Role.LINK: 80, Role.AGENT: 40, Role.KEEPER: 60}
_MOST_PERCENT = 0.5


def measure(world: World, kinds: list[Kind], options: argparse.Namespace) -> dict[Kind, Figures]:
    return {kind: _measure_one(world, kind, options.seconds, options.megabytes) for kind in kinds if kind.is_ours}


def _measure_one(world: World, kind: Kind, seconds: int, megabytes: int) -> Figures:
    from_scratch(world, kind)
    with owners(world, [kind]) as (owner,), owner.start() as kernel:
        client = kernel.ready_client()
        for _ in range(2):
            run(client, _WORK.format(megabytes=megabytes))
        mine = ours(world)
        time.sleep(2)  # what the work left to do
        before = {role: _cpu_seconds(found) for role, found in mine.items()}
        time.sleep(seconds)
        figures = {
            role.value: {
                "processes": len(found),
                "rss_mb": round(sum(each.memory_info().rss for each in found) / 1e6),
                "peak_mb": round(sum(_peak(each) for each in found) / 1e6),
                "cpu_percent": round(100 * (_cpu_seconds(found) - before[role]) / seconds, 2),
            }
            for role, found in mine.items()
        }
    world.disconnect(kind)
    return figures


def _cpu_seconds(processes: list[psutil.Process]) -> float:
    times = [each.cpu_times() for each in processes]
    return sum(float(each.user + each.system) for each in times)


def _peak(process: psutil.Process) -> int:
    """The most that it ever had, which `/proc` remembers; 0 elsewhere."""
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except FileNotFoundError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def holds(figures: Figures, _: Measured) -> bool:
    return all(
        figures[role.value]["processes"] == 1
        and figures[role.value]["rss_mb"] <= most
        and figures[role.value]["cpu_percent"] <= _MOST_PERCENT
        for role, most in _MOST_MB.items()
    )


def _options(parser: argparse.ArgumentParser) -> None:
    count("seconds", 20, "how long the idle time is")(parser)
    count("megabytes", 200, "how much is printed, twice, before that")(parser)


BENCHMARK = Benchmark(
    name="footprint",
    bar="link / agent / keeper: memory <= 80 / 40 / 60 MB, idle CPU of each <= 0.5 %",
    measure=measure,
    holds=holds,
    options=_options,
)

if __name__ == "__main__":
    sys.exit(main(BENCHMARK))
