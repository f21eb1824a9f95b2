"""Lets outputs that follow each other closely travel together.

Each thing that is passed on wakes five processes on its way. A cell says three things within a millisecond even when it
prints nothing, and what they cost on a busy computer is what its reply has to wait for.
"""

from __future__ import annotations

import asyncio
from typing import Callable

GAP = 0.001
"""Seconds between two that travel alone; the first after a pause goes at once."""
MOST_WAITING = 64 * 1024


class Gathering:
    """Stands between what the kernel publishes and the wire."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._wake = wake
        self._timer: asyncio.TimerHandle | None = None
        self._passed_on = 0.0
        self._size = 0

    def add(self, size: int) -> None:
        """So much more is to be passed on."""
        self._size += size

    def pass_on(self) -> None:
        """As soon as it may be."""
        if self._size >= MOST_WAITING or self._loop.time() - self._passed_on >= GAP:
            self.now()
        elif self._timer is None:
            self._timer = self._loop.call_at(self._passed_on + GAP, self.now)

    def hurry(self) -> None:
        """A reply is on its way: what waits goes with it, and the idle that follows it at once."""
        if self._timer is not None:
            self.now()
        self._passed_on = 0.0

    def now(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._passed_on = self._loop.time()
        self._size = 0
        self._wake()
