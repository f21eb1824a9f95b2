"""Runs the system's own programs, which may refuse and must not hang."""

from __future__ import annotations

import asyncio
import os
import shlex
from dataclasses import dataclass

from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.rentals.guard_timer.script import MINUTES

_PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Ran:
    status: int
    out: bytes
    error: str


async def run(*words: str, given: bytes = b"") -> Ran:
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C"},
        )
    except OSError as error:
        return Ran(1, b"", error.strerror or str(error))
    try:
        out, said = await asyncio.wait_for(process.communicate(given), _PATIENCE)
    except asyncio.TimeoutError:
        process.kill()
        await process.wait()
        return Ran(1, b"", "it did not answer")
    return Ran(process.returncode or 0, out, said.decode(errors="replace").strip())


async def must(*words: str, given: bytes = b"") -> Ran:
    ran = await run(*words, given=given)
    if ran.status:
        raise refused(words, ran)
    return ran


def refused(words: tuple[str, ...], ran: Ran) -> BridgeError:
    return BridgeError(
        f"`{shlex.join(words)}` failed: {ran.error or f'status {ran.status}'}.",
        advice=f"Have something else run `jupyter gpu guard` every {MINUTES} minutes.",
    )
