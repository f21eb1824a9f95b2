"""The program: `attach`, `agent` or `keeper`. Started by path, so that nothing has to be installed on the machine."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    here = Path(__file__).resolve()
    sys.path[0] = str(here.parents[2])
    what, arguments = sys.argv[1], sys.argv[2:]
    if what == "agent":
        from jupyter_gpu_bridge.agent.agent import main as agent_main

        sys.exit(agent_main(Path(arguments[0]), arguments[1]))
    if what == "keeper":
        from jupyter_gpu_bridge.agent.keeper import main as keeper_main

        sys.exit(keeper_main(Path(arguments[0])))
    sys.exit(f"unknown program {what!r}")
