"""The ground: marked points of the way of money, at which tests end this process as a power cut would."""

from __future__ import annotations

import os
import signal

_VARIABLE = "JUPYTER_GPU_BRIDGE_DIE_AT"
_fatal = os.environ.get(_VARIABLE, "")


def reached(point: str) -> None:
    """Nothing happens here, unless a test has asked for death at this point."""
    if _fatal and point == _fatal:
        os.kill(os.getpid(), signal.SIGKILL)
