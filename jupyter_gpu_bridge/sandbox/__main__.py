"""The cloud as a process: `python -m jupyter_gpu_bridge.sandbox FOLDER`."""

from __future__ import annotations

import sys

from jupyter_gpu_bridge.sandbox.api import Api
from jupyter_gpu_bridge.sandbox.market import ITEMS
from jupyter_gpu_bridge.sandbox.process import run

if __name__ == "__main__":
    sys.exit(run(Api, ITEMS))
