"""What our processes cost while nothing happens: memory after some work, and processor time over a while."""

from __future__ import annotations

import argparse
import sys
import time

import psutil

from benchmarks.kernels import owners
from benchmarks.options import count
from benchmarks.processes import Role, from_scratch, ours
from benchmarks.report import Benchmark, Figures, Measured, main
from tests.compatibility.conversation import run
from tests.compatibility.world import Kind, World

_WORK = "for number in range(2000): print(number, flush=True)"

_MOST_MB = {Role.LINK: 80, Role.AGENT: 40, Role.KEEPER: 60}
_MOST_PERCENT = 0.5


def measure(world: World, kinds: list[Kind], options: argparse.Namespace) -> dict[Kind, Figures]:
    return {kind: _measure_one(world, kind, options.seconds) for kind in kinds if kind.is_ours}


def _measure_one(world: World, kind: Kind, seconds: int) -> Figures:
    from_scratch(world, kind)
    with owners(world, [kind]) as (owner,), owner.start() as kernel:
        run(kernel.ready_client(), _WORK)
        mine = ours(world)
        time.sleep(2)  # what the work left to do
        before = {role: _cpu_seconds(found) for role, found in mine.items()}
        time.sleep(seconds)
        figures = {
            role.value: {
                "processes": len(found),
                "rss_mb": round(sum(each.memory_info().rss for each in found) / 1e6),
                "cpu_percent": round(100 * (_cpu_seconds(found) - before[role]) / seconds, 2),
            }
            for role, found in mine.items()
        }
    world.disconnect(kind)
    return figures


def _cpu_seconds(processes: list[psutil.Process]) -> float:
    times = [each.cpu_times() for each in processes]
    return sum(float(each.user + each.system) for each in times)


def holds(figures: Figures, _: Measured) -> bool:
    return all(
        figures[role.value]["processes"] == 1
        and figures[role.value]["rss_mb"] <= most
        and figures[role.value]["cpu_percent"] <= _MOST_PERCENT
        for role, most in _MOST_MB.items()
    )


BENCHMARK = Benchmark(
    name="footprint",
    bar="link / agent / keeper: memory <= 80 / 40 / 60 MB, idle CPU of each <= 0.5 %",
    measure=measure,
    holds=holds,
    options=count("seconds", 20, "how long the idle time is"),
)

if __name__ == "__main__":
    sys.exit(main(BENCHMARK))
