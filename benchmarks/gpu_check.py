"""What `jupyter gpu check` measures on a machine with a GPU and torch, beside the figures of the catalogue.

Needs nothing of ours to be installed: `python -m benchmarks.gpu_check` in a checkout, with the Python that has torch.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from jupyter_gpu_bridge.market.experience.comparing import compare
from jupyter_gpu_bridge.market.experience.reading import read_report

_SCRIPT = Path(__file__).resolve().parents[1] / "jupyter_gpu_bridge" / "agent" / "gpu_check.py"


def main() -> int:
    """1 where nothing could be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_check", description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="the one that has torch (default: this one)")
    parser.add_argument("--times", type=int, default=3, help="how often (default: 3)")
    options = parser.parse_args()
    measured = [_measure(options.python) for _ in range(options.times)]
    return 0 if all(measured) else 1


def _measure(python: str) -> bool:
    began = time.monotonic()
    answer = subprocess.run([python, str(_SCRIPT)], stdout=subprocess.PIPE, check=True).stdout.decode()
    took = time.monotonic() - began
    print(answer.strip())
    check = read_report(answer.splitlines()[-1])
    for each in compare(check):
        said = ", ".join(each.phrases) or each.measured.problem
        print(f"{each.measured.name} ({each.measured.memory_mib} MiB), as {each.model or 'no known model'}: {said}")
        if each.measured.format:
            print(f"  in {each.measured.format}, with torch {check.torch}; {'BAD' if each.is_bad else 'good'}")
    print(f"  {took:.1f} s in all, loading torch included; {check.problem or 'no problem'}")
    return not check.problem


if __name__ == "__main__":
    sys.exit(main())
