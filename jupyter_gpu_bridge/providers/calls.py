"""What kinds of calls there are, what can become of one, and what became of those of late."""

from __future__ import annotations

import math
import threading
from collections import deque
from enum import Enum

_RECENT = 50


class Kind(Enum):
    """What sort of call it is: a breaker is kept for each, and nothing holds up a destroy."""

    READ = "read"
    ONCE = "once"
    DESTROY = "destroy"


class Outcome(Enum):
    """Of one call with all its repetitions."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """A clear no: the provider does its work."""
    BUSY = "busy"
    """It has said when to come again."""
    FAILED = "failed"
    """No answer, or one that makes no sense, or that it is in trouble itself."""
    ELSEWHERE = "elsewhere"
    """Where the provider has sent us there is nothing, or nobody: that says nothing of the provider."""
    CANCELLED = "cancelled"
    NOT_SENT = "not_sent"


class Recent:
    """The last calls of one provider, for those who want to know how it does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._went_well: deque[bool] = deque(maxlen=_RECENT)
        self._seconds: deque[float] = deque(maxlen=_RECENT)

    def note(self, outcome: Outcome) -> None:
        with self._lock:
            if outcome in (Outcome.ANSWERED, Outcome.REFUSED):
                self._went_well.append(True)
            elif outcome is Outcome.FAILED:
                self._went_well.append(False)

    def answered_after(self, seconds: float) -> None:
        with self._lock:
            self._seconds.append(seconds)

    @property
    def count(self) -> int:
        return len(self._went_well)

    @property
    def success_rate(self) -> float | None:
        """`None`: nobody has asked yet."""
        with self._lock:
            return sum(self._went_well) / len(self._went_well) if self._went_well else None

    def response_time(self, share: float) -> float | None:
        """Seconds within which so large a share of the answers came."""
        with self._lock:
            ordered = sorted(self._seconds)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None
