"""`python -m jupyter_gpu_bridge.cli`, for an environment whose scripts are not on the path."""

from __future__ import annotations

import sys

from jupyter_gpu_bridge.cli import main

if __name__ == "__main__":
    sys.exit(main())
