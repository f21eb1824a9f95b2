"""Has the system run `jupyter gpu guard` every few minutes: a systemd user timer, a launchd agent, a line of cron."""

from __future__ import annotations

import asyncio
import os
import plistlib
import shlex
import shutil
import sys
from pathlib import Path

from jupyter_gpu_bridge import settings
from jupyter_gpu_bridge.errors import BridgeError

NAME = "jupyter-gpu-bridge-guard"
_MINUTES = 5
_LABEL = "dev.jupyter-gpu-bridge.guard"
_PATIENCE = 20.0


async def install(*, remove: bool = False) -> str:
    """What was done, as a sentence. Raises `BridgeError` where the system has none of the three."""
    if sys.platform == "darwin":
        return await _launchd(remove=remove)
    if shutil.which("systemctl") and (await _run("systemctl", "--user", "show-environment"))[0] == 0:
        return await _systemd(remove=remove)
    if shutil.which("crontab"):
        return await _cron(remove=remove)
    raise BridgeError(
        "This system has neither a systemd of the user nor cron.",
        advice=f"Have something run this every {_MINUTES} minutes: {shlex.join(_command())}",
    )


def _command() -> list[str]:
    return [sys.executable, "-m", "jupyter_gpu_bridge.cli", "guard"]


def _environment() -> dict[str, str]:
    """Where our things are; never a key: those are read from where they are kept."""
    names = ("JUPYTER_GPU_BRIDGE_HOME", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR")
    return {name: os.environ[name] for name in names if name in os.environ}


async def _systemd(*, remove: bool) -> str:
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"
    timer = f"{NAME}.timer"
    if remove:
        await _run("systemctl", "--user", "disable", "--now", timer)
        for suffix in ("timer", "service"):
            (folder / f"{NAME}.{suffix}").unlink(missing_ok=True)
        await _must("systemctl", "--user", "daemon-reload")
        return "The guard is not run by systemd any more."
    folder.mkdir(parents=True, exist_ok=True)
    variables = "".join(f'Environment="{name}={value}"\n' for name, value in _environment().items())
    (folder / f"{NAME}.service").write_text(
        "[Unit]\nDescription=Looks after rented machines\n\n"
        f"[Service]\nType=oneshot\nKillMode=process\n{variables}ExecStart={shlex.join(_command())}\n"
    )
    (folder / timer).write_text(
        "[Unit]\nDescription=Looks after rented machines every few minutes\n\n"
        f"[Timer]\nOnBootSec=1min\nOnUnitActiveSec={_MINUTES}min\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n"
    )
    await _must("systemctl", "--user", "daemon-reload")
    await _must("systemctl", "--user", "enable", "--now", timer)
    always = "always, with: loginctl enable-linger"
    return f"systemd runs the guard every {_MINUTES} minutes while you are logged in ({always})."


async def _launchd(*, remove: bool) -> str:
    path = Path.home() / "Library" / "LaunchAgents" / f"{_LABEL}.plist"
    if path.exists():
        await _run("launchctl", "unload", str(path))
    if remove:
        path.unlink(missing_ok=True)
        return "The guard is not run by launchd any more."
    path.parent.mkdir(parents=True, exist_ok=True)
    described = {
        "Label": _LABEL,
        "ProgramArguments": _command(),
        "StartInterval": _MINUTES * 60,
        "RunAtLoad": True,
        "AbandonProcessGroup": True,
        "EnvironmentVariables": _environment(),
    }
    path.write_bytes(plistlib.dumps(described))
    await _must("launchctl", "load", str(path))
    return f"launchd runs the guard every {_MINUTES} minutes."


async def _cron(*, remove: bool) -> str:
    _, table = await _run("crontab", "-l")
    kept = [line for line in table.splitlines() if not line.endswith(f"# {NAME}")]
    if not remove:
        variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in _environment().items())
        log = shlex.quote(str(settings.data_folder() / "guard.log"))
        command = f"{variables} {shlex.join(_command())}".strip().replace("%", r"\%")
        kept.append(f"*/{_MINUTES} * * * * {command} >{log} 2>&1 # {NAME}")
    await _must("crontab", "-", said="".join(f"{line}\n" for line in kept))
    return "The guard is not run by cron any more." if remove else f"cron runs the guard every {_MINUTES} minutes."


async def _must(*words: str, said: str | None = None) -> None:
    status, answer = await _run(*words, said=said)
    if status:
        raise BridgeError(
            f"`{shlex.join(words)}` failed: {answer.strip() or f'status {status}'}.",
            advice=f"Have something else run this every {_MINUTES} minutes: {shlex.join(_command())}",
        )


async def _run(*words: str, said: str | None = None) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=asyncio.subprocess.PIPE if said is not None else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(None if said is None else said.encode()), _PATIENCE)
    except asyncio.TimeoutError:
        process.kill()
        await process.wait()
        return 1, "it did not answer"
    return process.returncode or 0, output.decode(errors="replace")
