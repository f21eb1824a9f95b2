"""What time it is, for all that is about money: it only goes forward, whatever becomes of this computer's clock."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta, timezone
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """In UTC."""

    async def sleep(self, time: timedelta) -> None: ...


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


def _counted() -> int:
    """Nanoseconds."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)  # on macOS it counts sleep
