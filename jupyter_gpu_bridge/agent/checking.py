"""Has the GPUs of this machine measured, by `gpu_check.py` in the Python that kernels use; nothing is installed for it.

It is a process of its own, with all that it takes of a GPU, and ends with whoever asked for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any

from jupyter_gpu_bridge.agent import environment
from jupyter_gpu_bridge.agent.environment import Report
from jupyter_gpu_bridge.agent.mux import Refusal

_PATIENCE = 180.0
_MOST_LINE = 64 * 1024
_MOST_LINES = 1000
_MOST_SAID = 300


class Checking:
    """One check at a time: two would take each other for somebody who uses the GPU."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._turn = asyncio.Lock()

    async def check(self, wanted: str | None, report: Report) -> dict[str, Any]:
        """What the script has answered, as it is; refuses when it does not come to an answer."""
        if self._turn.locked():
            report("waiting for another check to end")
        async with self._turn:
            python = await environment.present(self._home, wanted)
            try:
                return {"python": python, "report": await asyncio.wait_for(_run(python, report), _PATIENCE)}
            except asyncio.TimeoutError:
                raise Refusal("failed", f"The check of the GPU took longer than {_PATIENCE:.0f} seconds.") from None


async def _run(python: str, report: Report) -> str:
    output = asyncio.StreamReader(_MOST_LINE)
    # A pipe of our own: with asyncio's, what nobody wants to read would keep us from hearing that the process ended.
    reading, writing = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            python,
            str(Path(__file__).with_name("gpu_check.py")),
            "--stages",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            cwd="/",
            start_new_session=True,
        )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(output), os.fdopen(reading, "rb")
    )
    try:
        return await _answer(process, output, report)
    finally:
        pipe.close()
        await _end(process)


async def _answer(process: asyncio.subprocess.Process, output: asyncio.StreamReader, report: Report) -> str:
    """Its last line of JSON; before that it may say what it is doing, and whatever torch has to say."""
    said = ""
    for _ in range(_MOST_LINES):
        try:
            line = await output.readline()
        except ValueError:
            break
        if not line:
            status = await process.wait()
            why = said.rstrip(".") or f"it ended with status {status}"
            raise Refusal("failed", f"The check of the GPU came to no answer ({why}).")
        text = line.decode("utf-8", "replace").strip()
        stage = _stage(text)
        if stage is not None:
            report(stage)
        elif text.startswith("{"):
            return text
        elif text:
            said = "".join(letter if letter.isprintable() else " " for letter in text[:_MOST_SAID])
    raise Refusal("peer-misbehaved", "The check of the GPU answered far too much.")


def _stage(text: str) -> str | None:
    try:
        found = json.loads(text) if text.startswith('{"stage"') else None
    except ValueError:
        return None
    return str(found["stage"])[:_MOST_SAID] if isinstance(found, dict) else None


async def _end(process: asyncio.subprocess.Process) -> None:
    """With all that it has started; also one that has ended may have left something."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
