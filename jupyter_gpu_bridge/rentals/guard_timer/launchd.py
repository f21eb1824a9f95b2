"""An agent of macOS' launchd."""

from __future__ import annotations

import plistlib
import sys
from pathlib import Path

from jupyter_gpu_bridge.files import replace_file
from jupyter_gpu_bridge.rentals.guard_timer import script
from jupyter_gpu_bridge.rentals.guard_timer.programs import must, run

_LABEL = "dev.jupyter-gpu-bridge.guard"


class Launchd:
    name = "launchd"

    async def is_here(self) -> bool:
        return sys.platform == "darwin"

    async def is_installed(self) -> bool:
        return _place().exists()

    async def install(self) -> str:
        if await self.is_installed():
            await run("launchctl", "unload", str(_place()))
        _place().parent.mkdir(parents=True, exist_ok=True)
        replace_file(_place(), agent(str(script.place())), mode=0o644)
        await must("launchctl", "load", str(_place()))
        return " while you are logged in"

    async def remove(self) -> None:
        await run("launchctl", "unload", str(_place()))
        _place().unlink(missing_ok=True)


def agent(program: str) -> bytes:
    return plistlib.dumps(
        {
            "Label": _LABEL,
            "ProgramArguments": ["/bin/sh", program],
            "StartInterval": script.MINUTES * 60,
            "RunAtLoad": True,
            "AbandonProcessGroup": True,  # wardens that a round has started go on when it ends
        }
    )


def _place() -> Path:
    return Path.home() / "Library" / "LaunchAgents" / f"{_LABEL}.plist"
