"""One simulated cloud as a process: `python -m tests.clouds NAME FOLDER`; see the docstring of `sandbox.process`."""

from __future__ import annotations

import sys

from jupyter_gpu_bridge.sandbox.process import run
from tests.clouds.simulators import names, simulator

if __name__ == "__main__":
    try:
        chosen = simulator(sys.argv.pop(1))
    except LookupError:
        sys.exit(f"Say which: {', '.join(names())}")
    sys.exit(run(chosen.front, chosen.items))
