"""Starts that failed or are under way, which would keep a Jupyter server from exiting.

A machine that cannot be reached makes both ordinary things. The kernel manager leaves the id of a start that failed in
its table of pending kernels; when the server exits, it tries to shut that kernel down, and is told that there is none
(404). Of one that is being restarted it asks for the outcome, which is not there yet (`InvalidStateError`). After
either it neither shuts down the other kernels nor ends. For one that is being started it waits, which may take minutes
(jupyter_server 2.21 with jupyter_client 8.10: measured).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Sequence
from typing import Any


def forget_failed_starts(kernels: Any) -> None:
    """Take the ids of failed starts out of the kernel manager's pending table; those still under way stay."""
    pending = getattr(kernels, "_pending_kernels", {})
    for kernel_id in [one for one, task in pending.items() if task.done() and one not in kernels]:
        del pending[kernel_id]


def under_way(kernels: Any) -> Sequence[asyncio.Future[Any]]:
    """The starts and restarts of this kernel manager that are not over."""
    starts = list(getattr(kernels, "_pending_kernels", {}).values())
    restarts = [kernels.get_kernel(kernel_id).ready for kernel_id in kernels.list_kernel_ids()]
    return [_awaitable(each) for each in (*starts, *restarts) if not each.done()]


def _awaitable(ready: Any) -> asyncio.Future[Any]:
    """Made where no loop ran, it is a future of threads."""
    return asyncio.wrap_future(ready) if isinstance(ready, concurrent.futures.Future) else ready
