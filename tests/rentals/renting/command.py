"""`jupyter gpu` as a user runs it: a process of its own, beside the wardens of the test."""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import dataclass

PATIENCE = 60.0


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str


class Command:
    """One that runs; what it has said until now can be read."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.err = ""

    @classmethod
    async def start(cls, *words: str, program: str = "jupyter_gpu_bridge.cli", reads: bool = False) -> Command:
        """`program`: as a module. `reads`: what `ended` is given is its standard input."""
        pipe = asyncio.subprocess.PIPE
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                program,
                *words,
                stdin=pipe if reads else asyncio.subprocess.DEVNULL,
                stdout=pipe,
                stderr=pipe,
            )
        )

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None

    async def until_noted(self, words: str) -> str:
        """The line on standard error that has these words."""
        assert self._process.stderr is not None
        while line := (await asyncio.wait_for(self._process.stderr.readline(), PATIENCE)).decode():
            self.err += line
            if words in line:
                return line
        raise AssertionError(f"it never said {words!r}: {self.err}")

    def interrupt(self) -> None:
        """As with Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    async def ended(self, given: str = "") -> Ran:
        out, err = await asyncio.wait_for(self._process.communicate(given.encode() or None), PATIENCE)
        assert self._process.returncode is not None
        return Ran(self._process.returncode, out.decode(), self.err + err.decode())


async def ran(*words: str, program: str = "jupyter_gpu_bridge.cli", given: str = "") -> Ran:
    return await (await Command.start(*words, program=program, reads=bool(given))).ended(given)
