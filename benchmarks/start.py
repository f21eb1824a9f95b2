"""From asking for a kernel to its first reply, with the connection to the machine open already, and without."""

from __future__ import annotations

import argparse
import sys
import time

from benchmarks.kernels import Kernel, Owner, owners
from benchmarks.options import count
from benchmarks.report import Benchmark, Figures, Measured, main, median
from tests.compatibility.conversation import reply_to
from tests.compatibility.world import Kind, World


def measure(world: World, kinds: list[Kind], options: argparse.Namespace) -> dict[Kind, Figures]:
    cold: dict[Kind, list[float]] = {kind: [] for kind in kinds}
    warm: dict[Kind, list[float]] = {kind: [] for kind in kinds}
    with owners(world, kinds) as all_owners:
        for owner in all_owners:
            _start(owner)  # prepares the machine and warms the disk's cache
        for _ in range(options.rounds):
            for owner in all_owners:
                world.disconnect(owner.kind)
                cold[owner.kind].append(_start(owner, also=warm[owner.kind]))
    return {
        kind: {
            "cold_median_s": round(median(cold[kind]), 3),
            "up_median_s": round(median(warm[kind]), 3),
            "up_worst_s": round(max(warm[kind]), 3),
            "n": len(cold[kind]),
        }
        for kind in kinds
    }


def _start(owner: Owner, also: list[float] | None = None) -> float:
    """Seconds for one kernel and, while it lives and holds the connection, for another."""
    begun = time.perf_counter()
    with owner.start() as kernel:
        taken = _first_reply(kernel, begun)
        if also is not None:
            begun = time.perf_counter()
            with owner.start() as second:
                also.append(_first_reply(second, begun))
    return taken


def _first_reply(kernel: Kernel, begun: float) -> float:
    client = kernel.client()
    reply_to(client.get_shell_msg, client.execute("pass"), deadline=60)
    return time.perf_counter() - begun


def holds(figures: Figures, _: Measured) -> bool:
    return bool(figures["up_median_s"] <= 0.8 and figures["cold_median_s"] <= 2.5)


BENCHMARK = Benchmark(
    name="start",
    bar="start to first reply: link up <= 0.8 s, link cold <= 2.5 s",
    measure=measure,
    holds=holds,
    options=count("rounds", 7, "how often each kind is started, in turn"),
)

if __name__ == "__main__":
    sys.exit(main(BENCHMARK))
