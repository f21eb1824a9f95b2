"""Whose turn it is to send a request: one bucket of tokens for each credential, in the order in which they came.

Counts on a clock that nobody sets. All event loops of this process share it; each waits by itself. Other processes may
share what there is, but not the order: whoever comes when there is a token has it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from jupyter_gpu_bridge.providers.bucket import Bucket
from jupyter_gpu_bridge.providers.setting import Rate
from jupyter_gpu_bridge.providers.shared_bucket import LONGEST_PAUSE, Hold, SharedBucket

Clock = Callable[[], float]

_SHORTEST_WAIT = 0.001


class TooLong(Exception):
    """There is no turn in time; nothing was taken."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"in {seconds:.1f} s")
        self.seconds = seconds


class Limiter:
    def __init__(
        self, rate: Callable[[], Rate | None], clock: Clock = time.monotonic, shared: SharedBucket | None = None
    ) -> None:
        """`rate`: asked each time; `None` lets everything pass but in a pause.

        `shared`: with other processes, on the usual clock.
        """
        self._rate = rate
        self._clock = clock
        self._shared = shared
        self._lock = threading.Lock()
        self._own = Bucket(clock(), clock())
        self._waiting: list[object] = []

    async def turn(self, within: float) -> None:
        """Until a request may be sent. Raises `TooLong` as soon as it is known that this is not in time."""
        give_up = self._clock() + within
        ticket = object()
        with self._lock:
            self._waiting.append(ticket)
        try:
            while (seconds := self._take(ticket, give_up)) > 0:
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
                with self._bucket():
                    self._own.fill(rate, self._clock())
                    self._own.take()

    def pause(self, seconds: float) -> None:
        """The provider has said when to come again."""
        with self._lock, self._bucket():
            self._own.pause(self._clock() + min(seconds, LONGEST_PAUSE))

    @property
    def rate(self) -> Rate | None:
        return self._rate()

    @property
    def available(self) -> float:
        with self._lock:
            if (rate := self._rate()) is None:
                return 0.0
            with self._bucket():
                return max(0.0, self._own.fill(rate, self._clock()))

    @property
    def blocked(self) -> int:
        """How many wait in this process."""
        return len(self._waiting)

    @property
    def paused_for(self) -> float:
        with self._lock, self._bucket():
            return max(0.0, self._own.paused_until - self._clock())

    def reset(self) -> None:
        """As full as it can be, and no pause."""
        with self._lock, self._bucket():
            self._own.renew(self._clock())

    def _take(self, ticket: object, give_up: float) -> float:
        """Takes a token if there is one for this and for all before it; else the seconds until there is."""
        with self._lock:
            rate = self._rate()
            with self._bucket(may_wait=self._clock() + _SHORTEST_WAIT < give_up) as hold:
                if hold is Hold.BUSY:
                    return _SHORTEST_WAIT
                now = self._clock()
                pause = max(0.0, self._own.paused_until - now)
                if rate is None:
                    return pause
                tokens, needed = self._own.fill(rate, now), self._waiting.index(ticket) + 1
                missing = max(0.0, (needed - tokens) / rate.per_second)
                if pause > 0 or missing > 1e-9:
                    return max(pause, missing, _SHORTEST_WAIT)
                self._own.take()
                return 0.0

    @contextmanager
    def _bucket(self, *, may_wait: bool = False) -> Iterator[Hold]:
        """While it is held, what we have is what all have, if that can be."""
        if self._shared is None:
            yield Hold.ALONE
            return
        with self._shared.held(self._own, may_wait=may_wait) as hold:
            yield hold
