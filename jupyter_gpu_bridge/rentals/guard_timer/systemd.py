"""A timer of the user's systemd, and the service that it starts."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from jupyter_gpu_bridge.files import replace_file
from jupyter_gpu_bridge.rentals.guard_timer import script
from jupyter_gpu_bridge.rentals.guard_timer.programs import must, run

_NAME = "jupyter-gpu-bridge-guard"
_TIMER = f"{_NAME}.timer"
_SYSTEMCTL = ("systemctl", "--user")


class Systemd:
    name = "systemd"

    async def is_here(self) -> bool:
        if shutil.which("systemctl") is None:
            return False
        return not (await run(*_SYSTEMCTL, "show-environment")).status

    async def is_installed(self) -> bool:
        return (_folder() / _TIMER).exists()

    async def install(self) -> str:
        _folder().mkdir(parents=True, exist_ok=True)
        for name, text in units(str(script.place())).items():
            replace_file(_folder() / name, os.fsencode(text), mode=0o644)
        await must(*_SYSTEMCTL, "daemon-reload")
        await must(*_SYSTEMCTL, "enable", _TIMER)
        await must(*_SYSTEMCTL, "restart", _TIMER)
        return " while you are logged in (always, with: loginctl enable-linger)"

    async def remove(self) -> None:
        """Also where no systemd of the user answers, as in a session without one."""
        if await self.is_here():
            await must(*_SYSTEMCTL, "disable", "--now", _TIMER)
        (_folder() / "timers.target.wants" / _TIMER).unlink(missing_ok=True)
        for name in units(""):
            (_folder() / name).unlink(missing_ok=True)
        if await self.is_here():
            await must(*_SYSTEMCTL, "daemon-reload")


def units(program: str) -> dict[str, str]:
    """By their names. Wardens that a round has started go on when it ends: only the program itself is the service."""
    service = f"""[Unit]
Description=Looks after rented machines

[Service]
Type=oneshot
KillMode=process
TimeoutStartSec={script.MINUTES}min
ExecStart=/bin/sh {_quoted(program)}
"""
    timer = f"""[Unit]
Description=Looks after rented machines every few minutes

[Timer]
OnActiveSec=10s
OnUnitActiveSec={script.MINUTES}min
AccuracySec=10s

[Install]
WantedBy=timers.target
"""
    return {f"{_NAME}.service": service, _TIMER: timer}


def _folder() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"


def _quoted(word: str) -> str:
    """As an argument of ExecStart, where `%` and `$` mean something as well."""
    for character, meant in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("%", "%%"), ("$", "$$")):
        word = word.replace(character, meant)
    return f'"{word}"'
