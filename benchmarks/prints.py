"""A great many small outputs: none may be missing, and they may not take much longer than at home."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack

from benchmarks.kernels import measure_run, owners
from benchmarks.options import count
from benchmarks.report import Benchmark, Figures, Measured, main, median
from tests.compatibility.conversation import run
from tests.compatibility.world import Kind, World

_CODE = "for number in range({count}): print(number, flush=True)"


def measure(world: World, kinds: list[Kind], options: argparse.Namespace) -> dict[Kind, Figures]:
    taken: dict[Kind, list[float]] = {kind: [] for kind in kinds}
    missing = dict.fromkeys(kinds, 0)
    in_order = dict.fromkeys(kinds, True)
    expected = [str(number) for number in range(options.count)]
    with owners(world, kinds) as all_owners, ExitStack() as stack:
        clients = {each.kind: stack.enter_context(each.start()).ready_client() for each in all_owners}
        for client in clients.values():
            run(client, _CODE.format(count=500))
        for _ in range(options.rounds):
            for kind, client in clients.items():
                seconds, ran = measure_run(client, _CODE.format(count=options.count))
                lines = ran.stdout.split()
                taken[kind].append(seconds)
                missing[kind] += len(expected) - len(lines)
                in_order[kind] &= lines == expected
    local = median(taken[Kind.LOCAL]) if Kind.LOCAL in taken else None
    return {
        kind: {
            "seconds": round(median(taken[kind]), 2),
            "missing": missing[kind],
            "in_order": in_order[kind],
            "times_local": round(median(taken[kind]) / local, 2) if local else None,
        }
        for kind in kinds
    }


def holds(figures: Figures, _: Measured) -> bool:
    return bool(figures["in_order"] and figures["times_local"] is not None and figures["times_local"] <= 1.3)


def _options(parser: argparse.ArgumentParser) -> None:
    count("rounds", 3, "how often, kinds in turn")(parser)
    count("count", 20_000, "how many prints each time")(parser)


BENCHMARK = Benchmark(
    name="prints",
    bar="20,000 flushed prints: all there, <= 1.3 x local",
    measure=measure,
    holds=holds,
    options=_options,
)

if __name__ == "__main__":
    sys.exit(main(BENCHMARK))
