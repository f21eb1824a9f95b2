"""Large outputs, as fast as a real client takes them."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field

from jupyter_client.blocking.client import BlockingKernelClient

from benchmarks.kernels import measure_run, owners
from benchmarks.options import count
from benchmarks.report import Benchmark, Figures, Measured, main, median
from tests.compatibility.conversation import Ran, run
from tests.compatibility.world import Kind, World

_MEGABYTE = 1_000_000

_PREPARE = f"from IPython.display import display; data = 'x' * {_MEGABYTE}"
_DISPLAY = "for _ in range({count}): display({{'text/plain': data}}, raw=True)"
_PRINT = "for _ in range({count}): print(data, flush=True)"
_PRINT_AT_ONCE = "for _ in range({count}): print(data)"
"""Not flushed, ipykernel makes a few messages of it, some of more than 50 MB."""


@dataclass(slots=True)
class _Tally:
    """Megabytes per second of one kind, round after round."""

    display: list[float] = field(default_factory=list)
    stdout: list[float] = field(default_factory=list)
    at_once: list[float] = field(default_factory=list)
    complete: bool = True

    def run(self, client: BlockingKernelClient, megabytes: int) -> None:
        seconds, ran = measure_run(client, _DISPLAY.format(count=megabytes))
        self.display.append(megabytes / seconds)
        self.complete &= _displayed(ran) == megabytes * _MEGABYTE
        for code, rates in ((_PRINT, self.stdout), (_PRINT_AT_ONCE, self.at_once)):
            seconds, ran = measure_run(client, code.format(count=megabytes))
            rates.append(megabytes / seconds)
            self.complete &= len(ran.stdout) == megabytes * (_MEGABYTE + 1)


def measure(world: World, kinds: list[Kind], options: argparse.Namespace) -> dict[Kind, Figures]:
    tallies = {kind: _Tally() for kind in kinds}
    with owners(world, kinds) as all_owners, ExitStack() as stack:
        clients = {each.kind: stack.enter_context(each.start()).ready_client() for each in all_owners}
        for client in clients.values():
            run(client, _PREPARE)
            run(client, _DISPLAY.format(count=5))
        for _ in range(options.rounds):
            for kind, client in clients.items():
                tallies[kind].run(client, options.megabytes)
    return {
        kind: {
            "display_data_mb_s": round(median(tally.display)),
            "stdout_mb_s": round(median(tally.stdout)),
            "stdout_at_once_mb_s": round(median(tally.at_once)),
            "complete": tally.complete,
        }
        for kind, tally in tallies.items()
    }


def _displayed(ran: Ran) -> int:
    return sum(len(each["content"]["data"]["text/plain"]) for each in ran.of_type("display_data"))


def holds(figures: Figures, measured: Measured) -> bool:
    if Kind.SSHPYK not in measured:
        return False
    peer = measured[Kind.SSHPYK]
    faster = all(figures[name] >= peer[name] for name in ("display_data_mb_s", "stdout_mb_s"))
    return faster and bool(figures["complete"])


def _options(parser: argparse.ArgumentParser) -> None:
    count("rounds", 3, "how often, kinds in turn")(parser)
    count("megabytes", 100, "how much each time")(parser)


BENCHMARK = Benchmark(
    name="throughput",
    bar="100 x 1 MB display_data and 100 MB stdout: all there, and not slower than sshpyk",
    measure=measure,
    holds=holds,
    options=_options,
)

if __name__ == "__main__":
    sys.exit(main(BENCHMARK))
