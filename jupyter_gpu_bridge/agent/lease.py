"""The lease of this machine, if it is a rented one: passes on what the link grants, and whether a kernel is busy.

That the machine ends when nobody grants anything any more does not depend on this program, nor on any Python.
"""

from __future__ import annotations

import asyncio
import math
import re
import sys
import time
from pathlib import Path
from typing import Any, Callable

from jupyter_gpu_bridge.agent.environment import Report
from jupyter_gpu_bridge.agent.kernels import Kernels
from jupyter_gpu_bridge.agent.lease_folder import VERSION, LeaseFolder, State, find_folder
from jupyter_gpu_bridge.agent.mux import Refusal
from jupyter_gpu_bridge.agent.save_hook import NAME, run_hook

VERBS = ("lease", "lease-status", "die", "save")
_BEAT = 10.0
_PATIENCE = 10.0
"""Seconds in which the daemon takes what was written for it."""
_LONGEST = 10**9
_SERIAL = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Lease:
    """Answers the verbs; every few seconds tells the daemon whether a kernel is busy, and starts it if it is dead."""

    def __init__(self, home: Path, kernels: Kernels) -> None:
        self._home = home
        self._kernels = kernels
        self._found: LeaseFolder | None = None
        self._saving: asyncio.Task[dict[str, Any]] | None = None

    async def answer(self, request: dict[str, Any], report: Report) -> dict[str, Any]:
        """Refuses where there is no lease."""
        folder = self._folder()
        if folder is None:
            raise Refusal("machine-unfit", "This machine has no lease: it does not end by itself.")
        verb = request["do"]
        if verb == "lease":
            return await self._extend(
                folder, request.get("seconds"), str(request.get("serial")), request.get("extra", 0)
            )
        if verb == "die":
            return await self._die(folder)
        if verb == "save":
            report("saving what is to be kept")
            return await self._save(folder, request.get("seconds"))
        return _status(folder)

    def refuse_newcomers(self) -> None:
        """Raises `Refusal` when the machine is ending: a kernel would be stopped at once."""
        folder = self._folder()
        state = folder.state() if folder is not None else None
        if state is not None and state.phase == "ending":
            raise Refusal("rental-ended", "This machine is ending itself, since its lease has run out.")

    async def tell(self) -> None:
        """For as long as the agent lives. What it cannot tell the daemon takes for idle."""
        while True:
            beat = _BEAT
            folder = self._folder()
            if folder is not None:
                try:
                    if not folder.is_watched():
                        folder.revive()
                    folder.add_home(self._home)
                    beat = _positive(folder.settings().get("beat"), _BEAT)
                    folder.write("busy", f"{VERSION} {time.time_ns():x} {await self._busy()}")
                except OSError as error:
                    print(f"the lease daemon was not told what is busy: {error}", file=sys.stderr, flush=True)
            await asyncio.sleep(beat)

    async def _busy(self) -> str:
        states = [status.get("state") for status in await self._kernels.list()]
        return "busy" if "busy" in states else "idle"

    def _folder(self) -> LeaseFolder | None:
        """Looked for each time until it is found: it may come later than we."""
        if self._found is None:
            path = find_folder(self._home)
            self._found = LeaseFolder(path) if path is not None else None
        return self._found

    async def _extend(self, folder: LeaseFolder, seconds: Any, serial: str, extra: Any) -> dict[str, Any]:
        """`extra`: seconds by which the deadline was put off, all in all."""
        for given in (seconds, extra):
            if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 <= given <= _LONGEST:
                raise Refusal("bad-request", "A lease is so many seconds.")
        if not _SERIAL.fullmatch(serial):
            raise Refusal("bad-request", "A lease has a serial number.")
        folder.write("grant", f"{VERSION} {serial} {math.floor(seconds)} {math.floor(extra)}")
        await _until(folder, lambda state: state.serial == serial or state.phase == "ending")
        return _status(folder)

    async def _die(self, folder: LeaseFolder) -> dict[str, Any]:
        folder.write("die", str(VERSION))
        await _until(folder, lambda state: state.phase == "ending")
        return _status(folder)

    async def _save(self, folder: LeaseFolder, seconds: Any) -> dict[str, Any]:
        """Whoever asks again while it runs, after a cut perhaps, hears how the same run ends."""
        if self._saving is None or self._saving.done():
            limit = _positive(seconds, _positive(folder.settings().get("grace"), 120.0))
            self._saving = asyncio.get_running_loop().create_task(run_hook(folder.path / NAME, limit))
        return await asyncio.shield(self._saving)


async def _until(folder: LeaseFolder, is_so: Callable[[State], bool]) -> None:
    """Until the daemon says so, or has had its time; one that does not run is started."""
    give_up = time.monotonic() + _PATIENCE
    was_revived = False
    while time.monotonic() < give_up:
        state = folder.state()
        if state is not None and is_so(state):
            return
        if not was_revived and not folder.is_watched():
            folder.revive()
            was_revived = True
        await asyncio.sleep(0.05)


def _status(folder: LeaseFolder) -> dict[str, Any]:
    state = folder.state()
    left, deadline_left = _left(folder, state)
    return {
        "left": left,
        "deadline_left": deadline_left,
        "daemon_alive": folder.is_watched(),
        "version": state.version if state is not None else None,
        "phase": state.phase if state is not None else "unknown",
        "serial": state.serial if state is not None else "",
        "name": folder.settings().get("name", ""),
    }


def _left(folder: LeaseFolder, state: State | None) -> tuple[float | None, float | None]:
    if state is None:
        return None, None
    now = folder.now()
    now = state.seen if now is None else now
    deadline_left = max(0.0, state.hard_end - now)
    left = 0.0 if state.phase == "ending" else max(0.0, state.lease_end - now)
    return min(deadline_left, left), deadline_left


def _positive(value: Any, otherwise: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return otherwise
    return number if 0 < number < _LONGEST else otherwise
