"""One simulated cloud as a process: `python -m tests.clouds NAME FOLDER`; see the docstring of `sandbox.process`."""

from __future__ import annotations

import sys

from jupyter_gpu_bridge.sandbox.process import run
from tests.clouds.simulators import names, simulator

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in names():
        sys.exit(f"Say which: {', '.join(names())}")
    chosen = simulator(sys.argv.pop(1))
    sys.exit(run(chosen.front, chosen.items))
