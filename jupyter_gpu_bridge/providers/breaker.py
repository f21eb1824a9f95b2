"""Stops asking a provider that fails again and again, and tries carefully whether it is well again.

Counts on a clock that nobody sets. What a call comes to is told once, at its end; a cancelled one says nothing. Belongs
to no event loop: what happens here takes no time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from jupyter_gpu_bridge.model import BreakerState

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class BreakerRules:
    threshold: int = 5
    """Failures in a row that open it."""
    open_for: float = 60.0
    probes: int = 1
    """Calls at a time that may try, once that time is over."""


@dataclass(frozen=True, slots=True)
class Permit:
    """To make one call. What it comes to counts only while the breaker is what it was then."""

    turn: int
    is_probe: bool


class Breaker:
    def __init__(self, rules: Callable[[], BreakerRules] = BreakerRules, clock: Clock = time.monotonic) -> None:
        self._rules = rules
        self._clock = clock
        self._lock = threading.Lock()
        self._turn = 0
        """Another one with each change of state."""
        self._opened: float | None = None
        self._probes = 0
        self._failures = 0
        self._trips = 0
        self._failed_last: float | None = None

    @property
    def state(self) -> BreakerState:
        with self._lock:
            return self._state()

    @property
    def failures(self) -> int:
        """In a row."""
        return self._failures

    @property
    def trips(self) -> int:
        """How often it has opened."""
        return self._trips

    @property
    def since_last_failure(self) -> float | None:
        return None if self._failed_last is None else self._clock() - self._failed_last

    @property
    def tries_in(self) -> float | None:
        """Seconds until a call may try; `None` unless it is open."""
        with self._lock:
            if self._opened is None:
                return None
            return max(0.0, self._opened + self._rules().open_for - self._clock())

    def permit(self, *, always: bool = False) -> Permit | None:
        """`None`: the call must not be made. `always`: it is made in any state, and counts."""
        with self._lock:
            state = self._state()
            if state is BreakerState.CLOSED:
                return Permit(self._turn, is_probe=False)
            if state is BreakerState.HALF_OPEN and self._probes < self._rules().probes:
                self._probes += 1
                return Permit(self._turn, is_probe=True)
            return Permit(self._turn, is_probe=False) if always else None

    def succeeded(self, permit: Permit) -> None:
        with self._lock:
            if permit.turn == self._turn:
                self._close()

    def failed(self, permit: Permit) -> None:
        with self._lock:
            self._failed_last = self._clock()
            if permit.turn != self._turn:
                return
            self._failures += 1
            if self._opened is not None:
                self._open(is_trip=permit.is_probe)
            elif self._failures >= self._rules().threshold:
                self._open(is_trip=True)

    def let_be(self, permit: Permit) -> None:
        """It was given up, and says nothing; another one may try in its place."""
        with self._lock:
            if permit.is_probe and permit.turn == self._turn:
                self._probes -= 1

    def reset(self) -> None:
        with self._lock:
            self._close()

    def _state(self) -> BreakerState:
        if self._opened is None:
            return BreakerState.CLOSED
        is_over = self._clock() >= self._opened + self._rules().open_for
        return BreakerState.HALF_OPEN if is_over else BreakerState.OPEN

    def _open(self, *, is_trip: bool) -> None:
        self._turn += 1
        self._opened, self._probes = self._clock(), 0
        self._trips += is_trip

    def _close(self) -> None:
        if self._opened is not None:
            self._turn += 1
        self._opened, self._probes, self._failures = None, 0, 0
