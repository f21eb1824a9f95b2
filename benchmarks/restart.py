"""From asking for a restart to the next reply, with the machine and the connection to it kept."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack

from benchmarks.kernels import Kernel, owners
from benchmarks.options import count
from benchmarks.report import Benchmark, Figures, Measured, main, median
from tests.compatibility.conversation import reply_to
from tests.compatibility.world import Kind, World


def measure(world: World, kinds: list[Kind], options: argparse.Namespace) -> dict[Kind, Figures]:
    taken: dict[Kind, list[float]] = {kind: [] for kind in kinds}
    with owners(world, kinds) as all_owners, ExitStack() as stack:
        kernels = [stack.enter_context(each.start()) for each in all_owners]
        for kernel in kernels:
            kernel.ready_client()
        for _ in range(options.rounds):
            for kernel in kernels:
                taken[kernel.kind].append(_restart(kernel))
    return {
        kind: {"median_s": round(median(each), 3), "worst_s": round(max(each), 3), "n": len(each)}
        for kind, each in taken.items()
    }


def _restart(kernel: Kernel) -> float:
    begun = time.perf_counter()
    kernel.restart()
    client = kernel.client()  # front ends connect anew after a restart
    reply_to(client.get_shell_msg, client.execute("pass"), deadline=60)
    return time.perf_counter() - begun


def holds(figures: Figures, _: Measured) -> bool:
    return bool(figures["median_s"] <= 0.8)


BENCHMARK = Benchmark(
    name="restart",
    bar="restart to next reply <= 0.8 s",
    measure=measure,
    holds=holds,
    options=count("rounds", 7, "how often each kind is restarted, in turn"),
)

if __name__ == "__main__":
    sys.exit(main(BENCHMARK))
