"""How much bulk may be under way at once, so that something small never waits behind a full pipe.

A pipe to a machine has buffers of megabytes at every hop. Filled, they cost every keystroke tens of milliseconds;
too empty, they cost throughput on a long line. So the sender watches how long its bulk takes to arrive and keeps the
queueing it causes itself near `TARGET`, the way delay-based congestion control does.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Callable

TARGET = 0.002
SMALLEST = 256 * 1024
LARGEST = 32 * 1024 * 1024
LEAST_SENT = 64 * 1024
"""Less is not sent while more is under way: every small piece costs both ends as much as a large one."""
BASE_AGE = 10.0
"""A base round trip older than this is forgotten: the route may have changed."""


class Pacing:
    """The window of one direction of one carrier."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.window = SMALLEST
        self.sent = 0
        self.arrived = 0
        self._marks: deque[tuple[int, float]] = deque()
        self._base = float("inf")
        self._base_at = 0.0
        self._next_change = 0.0

    @property
    def allowance(self) -> int:
        """How many more bulk bytes may be sent now."""
        allowed = self.window - (self.sent - self.arrived)
        return allowed if allowed >= LEAST_SENT else 0

    def note_sent(self, size: int) -> None:
        self.sent += size
        self._marks.append((self.sent, self._clock()))

    def note_arrived(self, total: int) -> None:
        """The peer has read `total` bulk bytes off the carrier; raises `ValueError` for an impossible number."""
        if not self.arrived <= total <= self.sent:
            raise ValueError("bulk that was never sent cannot have arrived")
        grown = total - self.arrived
        limited = self.sent - self.arrived > self.window // 2
        self.arrived = total
        started = None
        while self._marks and self._marks[0][0] <= total:
            started = self._marks.popleft()[1]
        if started is None:
            return
        now = self._clock()
        taken = now - started
        if taken < self._base or now - self._base_at > BASE_AGE:
            self._base, self._base_at = taken, now
        waiting = taken - self._base
        if waiting < TARGET:
            if limited:
                self.window = min(LARGEST, self.window + grown)
        elif now >= self._next_change:
            self.window = max(SMALLEST, int(self.window * (0.5 if waiting > 4 * TARGET else 0.85)))
            self._next_change = now + taken
