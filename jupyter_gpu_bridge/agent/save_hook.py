"""What the user wants to be run before a machine ends: within its time, and with its last words kept."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any

from jupyter_gpu_bridge.agent.kernel_process import find_folder

NAME = "save-hook"
_TAIL = 8192
_LOOK_AGAIN = 0.05
_LAST_WORDS = 0.5
"""Seconds in which what a hook wrote is read after its end; something that it left running may hold its output open."""


async def run_hook(hook: Path, seconds: float) -> dict[str, Any]:
    """How it went: `none`, `done`, `failed` (with its exit status) or `cut`."""
    if not os.access(str(hook), os.X_OK):
        return {"outcome": "none", "code": None, "said": "", "took": 0.0}
    began = time.monotonic()
    try:
        process = await asyncio.create_subprocess_exec(
            str(hook),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=find_folder(None),
            start_new_session=True,
        )
    except OSError as error:
        return {"outcome": "failed", "code": 126, "said": str(error.strerror), "took": 0.0}
    said = bytearray()
    reading = asyncio.get_running_loop().create_task(_keep_tail(process, said))
    try:
        # Not `wait()`, which in some versions of Python waits for the output to end as well.
        while process.returncode is None and time.monotonic() - began < seconds:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_AGAIN)
    finally:
        was_cut = process.returncode is None
        if was_cut:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    await asyncio.wait([reading], timeout=_LAST_WORDS)
    reading.cancel()
    code = None if was_cut else process.returncode
    outcome = "cut" if was_cut else "failed" if code else "done"
    took = round(time.monotonic() - began, 1)
    return {"outcome": outcome, "code": code, "said": said.decode("utf-8", "replace"), "took": took}


async def _keep_tail(process: asyncio.subprocess.Process, said: bytearray) -> None:
    assert process.stdout is not None  # noqa: S101 - it was asked for
    while True:
        piece = await process.stdout.read(65536)
        if not piece:
            return
        said += piece
        del said[:-_TAIL]
