"""What time it is, for all that is about money: it only goes forward, whatever becomes of this computer's clock.

All processes of one start of this computer count from the same moment, which is kept in a file: one that is killed and
followed by another, while somebody sets the clock, would else have let a machine run for days within a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Protocol

from jupyter_gpu_bridge import settings
from jupyter_gpu_bridge.files import replace_file

log = logging.getLogger(__name__)


class Clock(Protocol):
    def now(self) -> datetime:
        """In UTC."""

    async def sleep(self, time: timedelta) -> None: ...

    def trust_the_wall(self) -> None:
        """While nothing is rented, and so nothing is counted: a clock that was set may have been mended."""


_CORRECTION = timedelta(minutes=2)
"""By so much a clock is corrected now and then; what is more is a leap."""

_VARIABLE = "JUPYTER_GPU_BRIDGE_CLOCK"
"""`RATE@SECONDS`: since that moment of the epoch time goes so much faster; for tests and demonstrations."""


def clock_of_environment() -> Clock:
    """The same in every process that is started with this environment."""
    rate, _, since = os.environ.get(_VARIABLE, "").partition("@")
    return QuickClock(int(rate), int(since)) if rate else RealClock(settings.data_folder() / "clock.json")


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the time comes from."""

    wall: Callable[[], datetime]
    """The time of day, which anybody may set."""
    counted: Callable[[], int]
    """Nanoseconds since this computer was started, with those that it slept; nobody sets that."""
    start: Callable[[], str]
    """Which start of this computer it is."""


class RealClock:
    """The time of day as it was first read, and from there on by a clock that counts sleep as well."""

    def __init__(self, anchor: Path, sources: Sources | None = None) -> None:
        self._anchor = anchor
        self._sources = sources or _OF_THIS_COMPUTER
        self._wall, self._began = self._known() or self._found()

    def now(self) -> datetime:
        return self._wall + timedelta(microseconds=(self._sources.counted() - self._began) // 1000)

    def trust_the_wall(self) -> None:
        if abs(self.now() - self._sources.wall()) > _CORRECTION:
            self._wall, self._began = self._found()

    async def sleep(self, time: timedelta) -> None:
        """In short pieces: the loop's own clock stands still while this computer sleeps."""
        end = self.now() + time
        while (left := (end - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(min(left, 5.0))

    def _known(self) -> tuple[datetime, int] | None:
        """The moment from which others count already, unless the clock has only been corrected since."""
        try:
            kept = json.loads(self._anchor.read_bytes())
            wall, counted = datetime.fromisoformat(kept["wall"]), int(kept["counted"])
            is_of_this_start = kept["start"] == self._sources.start() and wall.tzinfo is not None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        now = self._sources.counted()
        if not is_of_this_start or now < counted:
            return None
        leapt = self._sources.wall() - (wall + timedelta(microseconds=(now - counted) // 1000))
        if abs(leapt) <= _CORRECTION:
            return None
        log.warning("this computer's clock was set by %s: time is counted as if it had not been", leapt)
        return wall, counted

    def _found(self) -> tuple[datetime, int]:
        """The time of day, from which all that come later count as well."""
        wall, counted = self._sources.wall(), self._sources.counted()
        kept = {"start": self._sources.start(), "wall": wall.isoformat(), "counted": counted}
        with contextlib.suppress(OSError):  # without it, each process counts from its own start
            self._anchor.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            replace_file(self._anchor, json.dumps(kept).encode())
        return wall, counted


class QuickClock:
    """Goes so many times as fast as the real one, from a moment on."""

    def __init__(self, rate: int, since: int) -> None:
        self._rate = rate
        self._since = since * 10**9

    def now(self) -> datetime:
        quick = self._since + (time.time_ns() - self._since) * self._rate
        return datetime.fromtimestamp(0, timezone.utc) + timedelta(microseconds=quick // 1000)

    async def sleep(self, time: timedelta) -> None:
        await asyncio.sleep(time.total_seconds() / self._rate)

    def trust_the_wall(self) -> None:
        """It does already."""


def _counted() -> int:
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)  # on macOS it counts sleep


def _start() -> str:
    if sys.platform == "darwin":
        command = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


_OF_THIS_COMPUTER = Sources(lambda: datetime.now(timezone.utc), _counted, _start)
