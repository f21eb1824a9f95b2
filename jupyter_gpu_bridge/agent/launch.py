"""Runs ipykernel in the kernel's own Python, with an output socket that never drops what it is told to publish.

ZMQ publishes with a limit of 1000 waiting messages for each subscriber and silently drops what comes beyond it; a
busy machine that does not run our reading thread for a moment is enough. The only subscriber is the keeper, which reads
always.
"""

from __future__ import annotations

import sys
from typing import Any

if __name__ == "__main__":
    del sys.path[0]

from ipykernel.kernelapp import IPKernelApp


class UnlimitedOutput(IPKernelApp):
    """ipykernel as it is, but for one socket option that has to be set before that socket is bound."""

    def init_iopub(self, context: Any) -> None:
        """Called once while the kernel starts, with the context that makes the output socket."""
        context.sndhwm = 0
        super().init_iopub(context)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    UnlimitedOutput.launch_instance()
