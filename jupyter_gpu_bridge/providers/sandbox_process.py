"""The sandbox cloud as a process of this computer: found, or started when there is none."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from jupyter_gpu_bridge import keys
from jupyter_gpu_bridge.errors import Unclear
from jupyter_gpu_bridge.files import exclusive, try_lock
from jupyter_gpu_bridge.settings import private_folder

_ROOT = Path(__file__).resolve().parents[2]
_START_WITHIN = 30.0
_CONNECT_WITHIN = 1.0


@dataclass(frozen=True, slots=True)
class Running:
    """Where it can be asked, and by which key."""

    address: str
    account_key: str = field(repr=False)


async def running(folder: Path, options: Sequence[str] = ()) -> Running:
    """The cloud of this folder, which is started if need be, once, however many ask. Raises `Unclear`."""
    found = _read(folder)
    if found is not None and _runs(folder) and _listens(found):
        return found
    return await asyncio.to_thread(_start, folder, tuple(options))


def _runs(folder: Path) -> bool:
    """It holds its lock as long as it lives."""
    try:
        lock = try_lock(folder / "api.lock")
    except FileNotFoundError:
        return False
    if lock is None:
        return True
    os.close(lock)
    return False


def _read(folder: Path) -> Running | None:
    try:
        said = json.loads((folder / "api.json").read_bytes())
        return Running(str(said["address"]), str(said["account_key"]))
    except (FileNotFoundError, ValueError, KeyError):
        return None


def _listens(found: Running) -> bool:
    """One that begins or ends may hold its lock and not listen. On this computer the answer comes at once."""
    place = urlsplit(found.address)
    with socket.socket() as probe:
        probe.settimeout(_CONNECT_WITHIN)
        return probe.connect_ex((place.hostname, place.port)) == 0


def _start(folder: Path, options: tuple[str, ...]) -> Running:
    private_folder(folder)
    give_up = time.monotonic() + _START_WITHIN
    with exclusive(folder / "start.lock"):
        while time.monotonic() < give_up:
            if not _runs(folder):
                _spawn(folder, options)
            found = _read(folder)
            if found is not None and _listens(found):
                return found
            time.sleep(0.02)  # somebody else's is about to listen, or to let go of its lock
    raise _did_not(folder)


def _spawn(folder: Path, options: tuple[str, ...]) -> None:
    """Returns when it can be asked."""
    with open(os.open(folder / "api.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_gpu_bridge.sandbox", str(folder), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env=keys.without_keys(),
            cwd=_ROOT,  # where this very code is, whatever else is installed
            start_new_session=True,
        )
    # It outlives us or dies before us; in the second case somebody has to bury it.
    threading.Thread(target=process.wait, daemon=True, name="sandbox-wait").start()
    giving_up = threading.Timer(_START_WITHIN, process.kill)
    giving_up.start()
    try:
        assert process.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
        with process.stdout:
            said = process.stdout.readline()
    finally:
        giving_up.cancel()
    if said.strip() != b"ready":
        raise _did_not(folder)


def _did_not(folder: Path) -> Unclear:
    return Unclear("The sandbox cloud did not start.", advice=f"Its log is {folder / 'api.log'}.")
