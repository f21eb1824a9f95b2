"""What small requests take while another cell publishes as much as it can over the same connection."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

from jupyter_client.blocking.client import BlockingKernelClient

from benchmarks.drain import drained
from benchmarks.kernels import Owner, owners
from benchmarks.options import count
from benchmarks.report import Benchmark, Figures, Measured, main, spread_ms
from tests.compatibility.conversation import Message, reply_to
from tests.compatibility.world import Kind, World

_FLOOD = """
import time
from IPython.display import display
data, until = "x" * 1_000_000, time.monotonic() + {seconds}
while time.monotonic() < until:
    display({{"text/plain": data}}, raw=True)
"""
_SECONDS = 600


def measure(world: World, kinds: list[Kind], options: argparse.Namespace) -> dict[Kind, Figures]:
    with owners(world, kinds) as all_owners:
        return {each.kind: _measure_one(each, options.count) for each in all_owners}


def _measure_one(owner: Owner, times: int) -> Figures:
    with ExitStack() as stack:
        flooding, quiet = (stack.enter_context(owner.start()) for _ in range(2))
        neighbour, same = quiet.ready_client(), flooding.ready_client()
        neighbour.iopub_channel.stop()
        same.iopub_channel.stop()
        before = _shell(neighbour, times)
        flow = stack.enter_context(drained(flooding.connection_file))
        asked = same.execute(_FLOOD.format(seconds=_SECONDS))
        if not flow.begun.wait(20):
            raise TimeoutError("no output began to flow")
        shell, control = _shell(neighbour, times), _control(same, times)
        flooding.interrupt()
        reply_to(same.get_shell_msg, asked)
    return {
        "idle": spread_ms(before),
        "other_kernel": spread_ms(shell),
        "same_kernel_control": spread_ms(control),
        "flow_mb_s": flow.megabytes_per_second,
    }


def _shell(client: BlockingKernelClient, times: int) -> list[float]:
    return [_timed(client.get_shell_msg, client.kernel_info) for _ in range(times)]


def _control(client: BlockingKernelClient, times: int) -> list[float]:
    def ask() -> str:
        message = client.session.msg("kernel_info_request")
        client.control_channel.send(message)
        return str(message["header"]["msg_id"])

    return [_timed(client.get_control_msg, ask) for _ in range(times)]


def _timed(get: Callable[..., Message], ask: Callable[[], str]) -> float:
    begun = time.perf_counter()
    reply_to(get, ask())
    return time.perf_counter() - begun


def holds(figures: Figures, measured: Measured) -> bool:
    """The round trip contains the kernel's own time, which a flood lengthens at home as well."""
    if Kind.LOCAL not in measured:
        return False
    local = measured[Kind.LOCAL]
    return all(figures[name]["p95_ms"] <= local[name]["p95_ms"] + 5 for name in ("other_kernel", "same_kernel_control"))


BENCHMARK = Benchmark(
    name="saturated",
    bar="a small request while another channel is saturated: p95 <= 5 ms more than at a local kernel",
    measure=measure,
    holds=holds,
    options=count("count", 200, "how many requests of each sort"),
)

if __name__ == "__main__":
    sys.exit(main(BENCHMARK))
