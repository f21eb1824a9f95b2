"""From asking for an interrupt to the reply of the cell: idle link, flowing output, and a cell with a subprocess."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack

from jupyter_client.blocking.client import BlockingKernelClient

from benchmarks.drain import drained
from benchmarks.kernels import Kernel, is_alive, owners
from benchmarks.options import count
from benchmarks.report import Benchmark, Figures, Measured, in_ms, main, median
from tests.compatibility.conversation import outputs_until_idle, reply_to, wait_for_output
from tests.compatibility.world import Kind, World

_SLEEP = "import time; print('sleeping', flush=True); time.sleep(600)"

_FLOW = """
import time
from IPython.display import display
data, begun, count = "x" * 1_000_000, time.perf_counter(), 0
while True:
    display({"text/plain": data}, raw=True)
    count += 1
    time.sleep(max(0, begun + count / 100 - time.perf_counter()))
"""
"""100 MB/s, or what the machine can do."""

_SUBPROCESS = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("child", child.pid, flush=True)
child.wait()
"""


def measure(world: World, kinds: list[Kind], options: argparse.Namespace) -> dict[Kind, Figures]:
    idle: dict[Kind, list[float]] = {kind: [] for kind in kinds}
    flowing: dict[Kind, list[float]] = {kind: [] for kind in kinds}
    rates: dict[Kind, list[float]] = {kind: [] for kind in kinds}
    with owners(world, kinds) as all_owners, ExitStack() as stack:
        kernels = [stack.enter_context(each.start()) for each in all_owners]
        clients = {kernel.kind: kernel.ready_client() for kernel in kernels}
        for _ in range(options.rounds):
            for kernel in kernels:
                idle[kernel.kind].append(_while_sleeping(kernel, clients[kernel.kind]))
        ended = {kernel.kind: _subprocess_ends(kernel, clients[kernel.kind]) for kernel in kernels}
        for client in clients.values():
            client.iopub_channel.stop()  # or all that flows would be kept for it
        for _ in range(options.flow_rounds):
            for kernel in kernels:
                taken, rate = _while_flowing(kernel)
                flowing[kernel.kind].append(taken)
                rates[kernel.kind].append(rate)
    return {
        kind: {
            "median_ms": in_ms(median(idle[kind])),
            "worst_ms": in_ms(max(idle[kind])),
            "n": len(idle[kind]),
            "flowing_median_ms": in_ms(median(flowing[kind])),
            "flowing_worst_ms": in_ms(max(flowing[kind])),
            "flow_mb_s": median(rates[kind]),
            "subprocess_ended": ended[kind],
        }
        for kind in kinds
    }


def _while_sleeping(kernel: Kernel, client: BlockingKernelClient) -> float:
    asked = client.execute(_SLEEP)
    wait_for_output(client, asked, "sleeping")
    begun = time.perf_counter()
    kernel.interrupt()
    reply_to(client.get_shell_msg, asked)
    taken = time.perf_counter() - begun
    outputs_until_idle(client, asked)
    return taken


def _while_flowing(kernel: Kernel) -> tuple[float, float]:
    client = kernel.client()
    client.iopub_channel.stop()
    with drained(kernel.connection_file) as flow:
        asked = client.execute(_FLOW)
        if not flow.begun.wait(20):
            raise TimeoutError("no output began to flow")
        flow.begun.clear()
        flow.begun.wait(3)  # a second in full swing
        begun = time.perf_counter()
        kernel.interrupt()
        reply_to(client.get_shell_msg, asked)
        taken = time.perf_counter() - begun
    return taken, flow.megabytes_per_second


def _subprocess_ends(kernel: Kernel, client: BlockingKernelClient) -> bool:
    asked = client.execute(_SUBPROCESS)
    said: list[str] = []
    until = time.monotonic() + 20
    while not any(text.endswith("\n") for text in said) and time.monotonic() < until:
        message = client.get_iopub_msg(timeout=20)
        if message["msg_type"] == "stream":
            said.append(message["content"]["text"])
    child = int("".join(said).split()[1])
    kernel.interrupt()
    reply_to(client.get_shell_msg, asked)
    outputs_until_idle(client, asked)
    until = time.monotonic() + 3
    while is_alive(child) and time.monotonic() < until:
        time.sleep(0.01)
    return not is_alive(child)


def holds(figures: Figures, _: Measured) -> bool:
    quick = figures["median_ms"] <= 20 and figures["flowing_median_ms"] <= 100
    return bool(quick and figures["subprocess_ended"])


def _options(parser: argparse.ArgumentParser) -> None:
    count("rounds", 15, "interrupts of a sleeping cell, kinds in turn")(parser)
    count("flow-rounds", 3, "interrupts of a cell whose output flows, kinds in turn")(parser)


BENCHMARK = Benchmark(
    name="interrupt",
    bar="interrupt: median <= 20 ms; while 100 MB/s flow <= 100 ms; subprocesses of the cell die too",
    measure=measure,
    holds=holds,
    options=_options,
)

if __name__ == "__main__":
    sys.exit(main(BENCHMARK))
