"""What a benchmark is, how it is run from the command line, and the one JSON line that it prints."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.compatibility.world import Kind, World

Figures = dict[str, Any]
"""What was measured of one kind of kernel: names with their unit, and numbers."""

Measured = Mapping["Kind", Figures]


@dataclass(frozen=True, slots=True)
class Benchmark:
    name: str
    bar: str
    """In words, as it stands in the table."""
    measure: Callable[[World, list[Kind], argparse.Namespace], dict[Kind, Figures]]
    holds: Callable[[Figures, Measured], bool]
    """Whether the figures of one of our kernels reach the bar, given those of all."""
    options: Callable[[argparse.ArgumentParser], None] = lambda parser: None


def main(benchmark: Benchmark, arguments: Sequence[str] | None = None) -> int:
    """Measure, print the line, and say by the exit status whether the bar holds."""
    from tests.compatibility.world import Kind, World

    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{benchmark.name}", description=benchmark.bar)
    parser.add_argument("--kernels", default=",".join(kind.value for kind in Kind), help="which kinds, with commas")
    benchmark.options(parser)
    options = parser.parse_args(arguments)
    kinds = [Kind(name) for name in options.kernels.split(",")]
    with World() as world:
        measured = benchmark.measure(world, kinds, options)
    verdicts = {kind.value: benchmark.holds(figures, measured) for kind, figures in measured.items() if kind.is_ours}
    found = {kind.value: figures for kind, figures in measured.items()}
    print(json.dumps(line(benchmark.name, benchmark.bar, found, verdicts, arguments)), flush=True)
    return 0 if all(verdicts.values()) else 1


def line(
    name: str,
    bar: str,
    figures: Mapping[str, Mapping[str, Any]],
    verdicts: Mapping[str, bool],
    arguments: Sequence[str] | None = None,
) -> dict[str, Any]:
    """What a benchmark prints, as one line of JSON."""
    return {
        "benchmark": name,
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "command": " ".join(["python", "-m", f"benchmarks.{name}", *(arguments or sys.argv[1:])]),
        "machine": machine(),
        "bar": bar,
        "figures": figures,
        "holds": verdicts,
    }


def machine() -> dict[str, Any]:
    """Where this was measured, and how busy it was meanwhile."""
    return {
        "cores": os.cpu_count(),
        "cpu": _cpu(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "sshpyk": _sshpyk_version(),
    }


def median(seconds: Sequence[float]) -> float:
    return statistics.median(seconds)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of all do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def in_ms(seconds: float) -> float:
    return round(seconds * 1000, 2)


def spread_ms(seconds: Sequence[float]) -> Figures:
    """Median and 95th percentile, in milliseconds."""
    return {"median_ms": in_ms(median(seconds)), "p95_ms": in_ms(percentile(seconds, 95)), "n": len(seconds)}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _sshpyk_version() -> str:
    from tests.compatibility.world import SSHPYK_PYTHON

    found = sorted(SSHPYK_PYTHON.parents[1].glob("lib/python3*/site-packages/sshpyk-*.dist-info"))
    return found[0].name.removesuffix(".dist-info").partition("-")[2] if found else ""
