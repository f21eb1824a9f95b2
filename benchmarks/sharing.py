"""Eight kernels on one machine: how many connections and processes that takes, counted in the system's own tables."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack

from benchmarks.kernels import Owner, owners
from benchmarks.options import count
from benchmarks.processes import from_scratch, ours
from benchmarks.report import Benchmark, Figures, Measured, main
from tests.compatibility.conversation import run
from tests.compatibility.world import Kind, World


def measure(world: World, kinds: list[Kind], options: argparse.Namespace) -> dict[Kind, Figures]:
    return {kind: _measure_one(world, kind, options.count) for kind in kinds}


def _measure_one(world: World, kind: Kind, kernels: int) -> Figures:
    """One kind after the other, because the server does not know whose connection is whose."""
    from_scratch(world, kind)
    with owners(world, [kind]) as (owner,):
        figures = _with_kernels(world, owner, kernels)
    world.disconnect(kind)
    return figures


def _with_kernels(world: World, owner: Owner, kernels: int) -> Figures:
    with ExitStack() as stack:
        clients = [stack.enter_context(owner.start()).ready_client() for _ in range(kernels)]
        answers = [run(client, "print('here')").stdout for client in clients]
        figures: Figures = {
            "kernels": sum(answer == "here\n" for answer in answers),
            "ssh_connections": world.sshd.session_count(),
        }
        if owner.kind.is_ours:
            figures |= {role.value + "s": len(found) for role, found in ours(world).items()}
    return figures


def holds(figures: Figures, _: Measured) -> bool:
    return bool(figures["kernels"] == 8 and figures["ssh_connections"] <= 1 and figures["agents"] == 1)


BENCHMARK = Benchmark(
    name="sharing",
    bar="8 kernels on one machine: one SSH connection, one agent",
    measure=measure,
    holds=holds,
    options=count("count", 8, "how many kernels"),
)

if __name__ == "__main__":
    sys.exit(main(BENCHMARK))
