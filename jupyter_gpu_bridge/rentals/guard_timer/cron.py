"""A line of the user's crontab."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence

from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.rentals.guard_timer import script
from jupyter_gpu_bridge.rentals.guard_timer.programs import must, refused, run

_MARK = b"# jupyter-gpu-bridge-guard"
_LIST = ("crontab", "-l")
_NONE_YET = ("no crontab for", "No such file")


class Cron:
    name = "cron"

    async def is_here(self) -> bool:
        return shutil.which("crontab") is not None

    async def is_installed(self) -> bool:
        return await self.is_here() and any(map(_is_ours, (await run(*_LIST)).out.split(b"\n")))

    async def install(self) -> str:
        ours = line(str(script.place()))
        await _replace([*(each for each in await _table() if not _is_ours(each)), ours])
        return ", if its daemon runs (see: jupyter gpu guard status)"

    async def remove(self) -> None:
        await _replace([each for each in await _table() if not _is_ours(each)])


def line(program: str) -> bytes:
    """Any shell that a crontab may name can read it; silent where the program is not there any more."""
    if "\\" in program or "\n" in program:  # the crons of this world disagree about what it means
        raise BridgeError(
            f"cron cannot run {program!r}.", advice="Set JUPYTER_GPU_BRIDGE_HOME to a folder without a backslash."
        )
    quoted = os.fsencode(shlex.quote(program).replace("%", r"\%"))  # a bare % ends the command
    return b"*/%d * * * * test -r %s && /bin/sh %s %s" % (script.MINUTES, quoted, quoted, _MARK)


def _is_ours(line: bytes) -> bool:
    return line.rstrip().endswith(_MARK)


async def _table() -> Sequence[bytes]:
    """Raises `BridgeError` where it cannot be read: whatever else is in it would be lost."""
    ran = await run(*_LIST)
    if ran.status and not any(words in ran.error for words in _NONE_YET):
        raise refused(_LIST, ran)
    return ran.out.removesuffix(b"\n").split(b"\n") if ran.out else []


async def _replace(lines: Sequence[bytes]) -> None:
    await must("crontab", "-", given=b"".join(each + b"\n" for each in lines))
