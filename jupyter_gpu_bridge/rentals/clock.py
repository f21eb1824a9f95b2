"""What time it is, for all that is about money: it only goes forward, whatever becomes of this computer's clock."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import datetime, timedelta, timezone
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """In UTC."""

    async def sleep(self, time: timedelta) -> None: ...


_VARIABLE = "JUPYTER_GPU_BRIDGE_CLOCK"
"""`RATE@SECONDS`: since that moment of the epoch time goes so much faster; for tests and demonstrations."""


def clock_of_environment() -> Clock:
    """The same in every process that is started with this environment."""
    rate, _, since = os.environ.get(_VARIABLE, "").partition("@")
    return QuickClock(int(rate), int(since)) if rate else RealClock()


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


def _counted() -> int:
    """Nanoseconds."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)  # on macOS it counts sleep
