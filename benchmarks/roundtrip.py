"""How long the smallest requests take, one after another, all kinds in turn so that noise meets all alike."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack

from jupyter_client.blocking.client import BlockingKernelClient

from benchmarks.kernels import owners
from benchmarks.options import count
from benchmarks.report import Benchmark, Figures, Measured, main, spread_ms
from tests.compatibility.conversation import reply_to
from tests.compatibility.world import Kind, World

_BLOCK = 20
_WARM_UP = 20


def measure(world: World, kinds: list[Kind], options: argparse.Namespace) -> dict[Kind, Figures]:
    executes: dict[Kind, list[float]] = {kind: [] for kind in kinds}
    infos: dict[Kind, list[float]] = {kind: [] for kind in kinds}
    with owners(world, kinds) as all_owners, ExitStack() as stack:
        clients = {each.kind: stack.enter_context(each.start()).ready_client() for each in all_owners}
        for client in clients.values():
            _execute(client, _WARM_UP)
        while len(executes[kinds[0]]) < options.count:
            for kind, client in clients.items():
                executes[kind] += _execute(client, _BLOCK)
                infos[kind] += _kernel_info(client, _BLOCK)
    return {kind: {"execute": spread_ms(executes[kind]), "kernel_info": spread_ms(infos[kind])} for kind in kinds}


def _execute(client: BlockingKernelClient, times: int) -> list[float]:
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        reply_to(client.get_shell_msg, client.execute("pass", store_history=False))
        taken.append(time.perf_counter() - begun)
    _forget_outputs(client)
    return taken


def _kernel_info(client: BlockingKernelClient, times: int) -> list[float]:
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        reply_to(client.get_shell_msg, client.kernel_info())
        taken.append(time.perf_counter() - begun)
    _forget_outputs(client)
    return taken


def _forget_outputs(client: BlockingKernelClient) -> None:
    while client.iopub_channel.msg_ready():
        client.get_iopub_msg(timeout=1)


def holds(figures: Figures, measured: Measured) -> bool:
    if Kind.LOCAL not in measured:
        return False
    ours, local = figures["execute"], measured[Kind.LOCAL]["execute"]
    return bool(ours["median_ms"] <= local["median_ms"] + 1.5 and ours["p95_ms"] <= local["p95_ms"] + 3)


BENCHMARK = Benchmark(
    name="roundtrip",
    bar="shell round trip: median <= local + 1.5 ms, p95 <= local p95 + 3 ms",
    measure=measure,
    holds=holds,
    options=count("count", 200, "how many requests of each sort"),
)

if __name__ == "__main__":
    sys.exit(main(BENCHMARK))
