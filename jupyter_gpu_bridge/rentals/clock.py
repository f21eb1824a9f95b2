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

_CORRECTION = timedelta(minutes=2)
"""By so much a clock is corrected now and then; what is more is a leap."""
_LONGEST_NAP = 5.0
"""Seconds: the loop's own clock stands still while this computer sleeps."""
_VARIABLE = "JUPYTER_GPU_BRIDGE_CLOCK"
"""`RATE@SECONDS`: since that moment of the epoch time goes so much faster; for tests and demonstrations."""


class Clock(Protocol):
    def now(self) -> datetime:
        """In UTC."""

    async def sleep(self, time: timedelta) -> None: ...

    def trust_the_wall(self) -> None:
        """While nothing is rented, and so nothing is counted: a clock that was set may have been mended."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the time comes from."""

    wall: Callable[[], datetime]
    """The time of day, which anybody may set."""
    counted: Callable[[], timedelta]
    """Since this computer was started, with the time that it slept; nobody sets that."""
    start: Callable[[], str]
    """Which start of this computer it is."""
    rate: int = 1
    """How much faster than real time both go."""


def clock_of_environment() -> Clock:
    """The same in every process of this user."""
    rate, _, since = os.environ.get(_VARIABLE, "").partition("@")
    sources = _quick(int(rate), int(since)) if rate else _OF_THIS_COMPUTER
    return AnchoredClock(settings.data_folder() / "clock.json", sources)


class AnchoredClock:
    """The time of day as it was first read, and from there on by a clock that counts sleep as well."""

    def __init__(self, anchor: Path, sources: Sources) -> None:
        self._anchor = anchor
        self._sources = sources
        self._wall, self._counted = self._known() or self._found()

    def now(self) -> datetime:
        return self._wall + (self._sources.counted() - self._counted)

    async def sleep(self, time: timedelta) -> None:
        end = self.now() + time
        while (left := (end - self.now()) / self._sources.rate) > timedelta(0):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(min(left.total_seconds(), _LONGEST_NAP))

    def trust_the_wall(self) -> None:
        if self._is_leap(self._sources.wall() - self.now()):
            self._wall, self._counted = self._found()

    def _known(self) -> tuple[datetime, timedelta] | None:
        """The moment from which others count already, unless the clock has only been corrected since."""
        try:
            kept = json.loads(self._anchor.read_bytes())
            wall, counted = datetime.fromisoformat(kept["wall"]), timedelta(seconds=kept["counted_s"])
            is_of_this_start = kept["start"] == self._sources.start() and wall.tzinfo is not None
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            return None
        passed = self._sources.counted() - counted
        if not is_of_this_start or passed < timedelta(0):
            return None
        leapt = self._sources.wall() - (wall + passed)
        if not self._is_leap(leapt):
            return None
        log.warning("this computer's clock was set by %s: time is counted as if it had not been", leapt)
        return wall, counted

    def _found(self) -> tuple[datetime, timedelta]:
        """The time of day, from which all that come later count as well."""
        wall, counted = self._sources.wall(), self._sources.counted()
        kept = {"start": self._sources.start(), "wall": wall.isoformat(), "counted_s": counted.total_seconds()}
        with contextlib.suppress(OSError):  # without it, each process counts from its own start
            self._anchor.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            replace_file(self._anchor, json.dumps(kept).encode())
        return wall, counted

    def _is_leap(self, off: timedelta) -> bool:
        return abs(off) > _CORRECTION * self._sources.rate


def _counted() -> timedelta:
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # the latter counts sleep on macOS
    return timedelta(microseconds=time.clock_gettime_ns(clock) // 1000)


def _start() -> str:
    if sys.platform == "darwin":
        command = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _now() -> datetime:
    return datetime.now(timezone.utc)


_OF_THIS_COMPUTER = Sources(_now, _counted, _start)


def _quick(rate: int, since: int) -> Sources:
    began = datetime.fromtimestamp(since, timezone.utc)
    return Sources(lambda: began + (_now() - began) * rate, lambda: _counted() * rate, _start, rate)
