"""Whose turn it is to send a request: one bucket of tokens for each credential, in the order in which they came.

Counts on a clock that nobody sets. All event loops of this process share it; each waits by itself.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

from jupyter_gpu_bridge.providers.setting import Rate

Clock = Callable[[], float]

_LONGEST_PAUSE = 3600.0
"""What a provider says about when to come again is believed up to here."""
_SHORTEST_WAIT = 0.001


class TooLong(Exception):
    """There is no turn in time; nothing was taken."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"in {seconds:.1f} s")
        self.seconds = seconds


class Limiter:
    def __init__(self, rate: Callable[[], Rate | None], clock: Clock = time.monotonic) -> None:
        """`rate`: asked each time; `None` lets everything pass."""
        self._rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens: float | None = None
        self._filled = clock()
        self._paused_until = clock()
        self._waiting: list[object] = []

    async def turn(self, within: float) -> None:
        """Until a request may be sent. Raises `TooLong` as soon as it is known that this is not in time."""
        give_up = self._clock() + within
        ticket = object()
        with self._lock:
            self._waiting.append(ticket)
        try:
            while (seconds := self._take(ticket)) > 0:
                if self._clock() + seconds > give_up:
                    raise TooLong(seconds)
                await asyncio.sleep(max(seconds, _SHORTEST_WAIT))
        finally:
            with self._lock:
                self._waiting.remove(ticket)

    def pass_by(self) -> None:
        """A request that waits for nothing, and counts: those behind it wait longer."""
        with self._lock:
            if (rate := self._rate()) is not None:
                self._tokens = self._fill(rate) - 1

    def pause(self, seconds: float) -> None:
        """The provider has said when to come again."""
        with self._lock:
            until = self._clock() + min(seconds, _LONGEST_PAUSE)
            self._paused_until = max(self._paused_until, until)

    @property
    def rate(self) -> Rate | None:
        return self._rate()

    @property
    def available(self) -> float:
        with self._lock:
            rate = self._rate()
            return 0.0 if rate is None else max(0.0, self._fill(rate))

    @property
    def blocked(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def paused_for(self) -> float:
        return max(0.0, self._paused_until - self._clock())

    def reset(self) -> None:
        """As full as it can be, and no pause."""
        with self._lock:
            self._tokens, self._paused_until = None, self._clock()

    def _take(self, ticket: object) -> float:
        """Takes a token if there is one for this and for all before it; else the seconds until there is."""
        with self._lock:
            rate = self._rate()
            if rate is None:
                return 0.0
            tokens, needed = self._fill(rate), self._waiting.index(ticket) + 1
            pause = max(0.0, self._paused_until - self._clock())
            missing = max(0.0, (needed - tokens) / rate.per_second)
            if pause > 0 or missing > 1e-9:
                return max(pause, missing, _SHORTEST_WAIT)
            self._tokens = tokens - 1
            return 0.0

    def _fill(self, rate: Rate) -> float:
        now = self._clock()
        if self._tokens is None:
            self._tokens = rate.capacity
        self._tokens = min(rate.capacity, self._tokens + (now - self._filled) * rate.per_second)
        self._filled = now
        return self._tokens
