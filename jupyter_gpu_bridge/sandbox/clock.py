"""The cloud's own time, which tests may push forward: billing, limits, boot delays and reclaims go by it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone


@dataclass(frozen=True, slots=True)
class Reading:
    """What has to be remembered of a clock to go on with it later."""

    virtual: float
    wall: float
    rate: float


class Clock:
    """Seconds since 1970, in virtual time; `rate` virtual seconds pass in a real one."""

    def __init__(self, reading: Reading | None = None) -> None:
        now = time.time()
        reading = reading or Reading(now, now, 1.0)
        self.rate = reading.rate
        self._virtual = reading.virtual + max(0.0, now - reading.wall) * reading.rate
        self._mark = time.monotonic()
        self._moved = asyncio.Event()

    def now(self) -> float:
        return self._virtual + (time.monotonic() - self._mark) * self.rate

    def advance(self, seconds: float) -> None:
        self._settle(self.now() + seconds)

    def set_rate(self, rate: float) -> None:
        self._settle(self.now())
        self.rate = rate

    def reading(self) -> Reading:
        return Reading(self.now(), time.time(), self.rate)

    async def sleep(self, seconds: float) -> None:
        """Until so much virtual time has passed, however it passes."""
        until = self.now() + seconds
        while (left := until - self.now()) > 0:
            await self.moved(left / self.rate if self.rate > 0 else None)

    async def moved(self, within: float | None) -> None:
        """Returns when somebody moves the clock, or after so many real seconds."""
        moved = self._moved
        try:
            await asyncio.wait_for(moved.wait(), within)
        except asyncio.TimeoutError:
            return

    def _settle(self, virtual: float) -> None:
        self._virtual, self._mark = virtual, time.monotonic()
        self._moved.set()
        self._moved = asyncio.Event()


Now = Callable[[], float]


def moment(virtual: float) -> str:
    """As the cloud writes a time."""
    return datetime.fromtimestamp(virtual, timezone.utc).isoformat()
