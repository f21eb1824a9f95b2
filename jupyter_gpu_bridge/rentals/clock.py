"""What time it is, for all that is about money: it only goes forward, whatever becomes of this computer's clock."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Protocol

from jupyter_gpu_bridge.files import replace_file


class Clock(Protocol):
    def now(self) -> datetime:
        """In UTC."""

    async def sleep(self, time: timedelta) -> None: ...


_VARIABLE = "JUPYTER_GPU_BRIDGE_CLOCK"
"""`RATE@SECONDS`: since that moment of the epoch time goes so much faster; for tests and demonstrations."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NOBODY_NOTICES = timedelta(seconds=30)
"""A clock that is corrected by less was not set."""


def clock_of_environment() -> Clock:
    """The same in every process that is started with this environment."""
    rate, _, since = os.environ.get(_VARIABLE, "").partition("@")
    return QuickClock(int(rate), int(since)) if rate else RealClock()


def clock_kept_in(path: Path) -> Clock:
    """One that goes on where that of an earlier process stood, if somebody has set this computer's clock meanwhile.

    The file tells what time it was, and how much had been counted since the computer was started.
    """
    clock = clock_of_environment()
    try:
        boot = _BOOT_ID.read_text()
    except OSError:
        return clock
    expected = _expected(path, boot)
    if expected is None:
        said = {"boot": boot, "counted": _counted(), "now": clock.now().isoformat()}
        with contextlib.suppress(OSError):  # a full disk keeps nobody from looking after a machine
            replace_file(path, json.dumps(said).encode())
        return clock
    off = expected - clock.now()
    return ShiftedClock(clock, off) if abs(off) > _NOBODY_NOTICES * _rate() else clock


def _expected(path: Path, boot: str) -> datetime | None:
    """What time it is, going by the file; `None` where it says nothing of this run of the computer."""
    try:
        said = json.loads(path.read_bytes())
        if said["boot"] != boot:
            return None
        passed = timedelta(microseconds=(_counted() - int(said["counted"])) // 1000)
        return datetime.fromisoformat(said["now"]) + passed * _rate()
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _rate() -> int:
    return int(os.environ.get(_VARIABLE, "1").partition("@")[0])


class RealClock:
    """The time of day as this process found it at its start, and from there on by a clock that counts sleep as well."""

    def __init__(self) -> None:
        self._wall = datetime.now(timezone.utc)
        self._began = _counted()

    def now(self) -> datetime:
        return self._wall + timedelta(microseconds=(_counted() - self._began) // 1000)

    async def sleep(self, time: timedelta) -> None:
        """In short pieces: the loop's own clock stands still while this computer sleeps."""
        end = self.now() + time
        while (left := (end - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(min(left, 5.0))


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


class ShiftedClock:
    """Another one, by so much later."""

    def __init__(self, clock: Clock, by: timedelta) -> None:
        self._clock = clock
        self._by = by

    def now(self) -> datetime:
        return self._clock.now() + self._by

    async def sleep(self, time: timedelta) -> None:
        await self._clock.sleep(time)


def _counted() -> int:
    """Nanoseconds."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)  # on macOS it counts sleep
