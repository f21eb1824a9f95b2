"""Starts that failed, which would keep a Jupyter server from exiting.

A machine that cannot be reached makes failed starts an ordinary thing. The kernel manager leaves the id of one in its
table of pending kernels; when the server exits, it tries to shut that kernel down, is told that there is none (404),
and neither shuts down the other kernels nor ends (jupyter_server 2.21 with jupyter_client 8.10: measured).
"""

from __future__ import annotations

from typing import Any


def forget_failed_starts(kernels: Any) -> None:
    """Take the ids of failed starts out of the kernel manager's pending table; those still under way stay."""
    pending = getattr(kernels, "_pending_kernels", {})
    for kernel_id in [one for one, task in pending.items() if task.done() and one not in kernels]:
        del pending[kernel_id]
