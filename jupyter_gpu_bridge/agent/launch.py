"""Runs ipykernel in the kernel's own Python, with an output socket that never drops what it is told to publish.

It takes its connection file as it is. Where there is none, ipykernel would make one, with a folder for it: but then the
start was given up, and that folder has just been cleared away.

ZMQ publishes with a limit of 1000 waiting messages for each subscriber and silently drops what comes beyond it; a
busy machine that does not run our reading thread for a moment is enough. The only subscriber is the keeper, which reads
always.
"""

from __future__ import annotations

import os
import sys
from typing import Any

if __name__ == "__main__":
    del sys.path[0]

from ipykernel.kernelapp import IPKernelApp


class UnlimitedOutput(IPKernelApp):
    """ipykernel as it is, but for its connection file, and one socket option that has to be set before it is bound."""

    def init_connection_file(self) -> None:
        """Called before any socket is made."""
        if not os.path.exists(self.abs_connection_file):
            sys.exit("the start of this kernel was given up")
        super().init_connection_file()  # type: ignore[no-untyped-call]

    def init_iopub(self, context: Any) -> None:
        """Called once while the kernel starts, with the context that makes the output socket."""
        context.sndhwm = 0
        super().init_iopub(context)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    UnlimitedOutput.launch_instance()
