"""The timer, whichever of the system's it is: it is installed, removed, and asked how its last round ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Protocol

from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.rentals.guard_timer import script
from jupyter_gpu_bridge.rentals.guard_timer.cron import Cron
from jupyter_gpu_bridge.rentals.guard_timer.launchd import Launchd
from jupyter_gpu_bridge.rentals.guard_timer.systemd import Systemd

_LATE = 3 * timedelta(minutes=script.MINUTES)


class Runner(Protocol):
    """What runs a program every few minutes on this kind of system."""

    name: str

    async def is_here(self) -> bool: ...

    async def is_installed(self) -> bool: ...

    async def install(self) -> str:
        """When it will run, as the rest of a sentence. In the place of what was installed before."""

    async def remove(self) -> None: ...


RUNNERS: Sequence[Runner] = (Launchd(), Systemd(), Cron())
"""The one that is preferred comes first."""


@dataclass(frozen=True, slots=True)
class GuardTimer:
    """Who runs the guard here, and what came of it."""

    runner: str | None
    """`None`: nobody does."""
    last: script.LastRound | None

    @property
    def is_well(self) -> bool:
        """Nobody runs it, or it ran lately, and well; also when it has not run yet."""
        return self.runner is None or self.last is None or (not self.last.status and not self._is_late)

    @property
    def text(self) -> str:
        if self.runner is None:
            return "Nothing runs the guard when nothing of ours runs."
        if self.last is None:
            return f"{self.runner} is to run the guard every {script.MINUTES} minutes, and has not done so yet."
        when = f"The guard was last run by {self.runner} at {self.last.at:%Y-%m-%d %H:%M} UTC"
        if self.last.status:
            return f"{when}, and ended with {self.last.status}: {self.last.said or 'it said nothing'}"
        return f"{when}, and not since then." if self._is_late else f"{when}, and all was well."

    @property
    def advice(self) -> str:
        if self.runner is None:
            return "Have the system run it every few minutes: jupyter gpu guard install"
        if self.is_well:
            return ""
        return f"Its last words are in {script.log()}. To give it this environment: jupyter gpu guard install"

    @property
    def _is_late(self) -> bool:
        return self.last is not None and datetime.now(timezone.utc) - self.last.at > _LATE


async def install() -> str:
    """By the first of the system's that is there, and no other; what was done, as a sentence. Raises `BridgeError`."""
    here = [runner for runner in RUNNERS if await runner.is_here()]
    if not here:
        raise BridgeError(
            "This system has neither launchd, nor a systemd of the user, nor cron.",
            advice=f"Have something run `jupyter gpu guard` every {script.MINUTES} minutes.",
        )
    left_out = script.write()
    when = await here[0].install()
    for other in here[1:]:
        if await other.is_installed():
            await other.remove()
    warning = f" It is not told of {' and '.join(left_out)}, which holds a secret." if left_out else ""
    return f"{here[0].name} runs the guard every {script.MINUTES} minutes{when}.{warning}"


async def remove() -> str:
    """What was done, as a sentence. Raises `BridgeError`."""
    removed = [runner for runner in RUNNERS if await runner.is_installed()]
    for runner in removed:
        await runner.remove()
    script.remove()
    if not removed:
        return "The guard was not installed."
    return f"The guard is not run by {' and '.join(runner.name for runner in removed)} any more."


async def timer_now() -> GuardTimer:
    for runner in RUNNERS:
        if await runner.is_installed():
            return GuardTimer(runner.name, script.last_round())
    return GuardTimer(None, None)
