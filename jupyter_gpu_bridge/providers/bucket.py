"""How many requests may be sent now: what has gathered with time, less what was taken, and the pause asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass

from jupyter_gpu_bridge.providers.setting import Rate


@dataclass(slots=True)
class Bucket:
    filled: float
    """When the tokens were counted."""
    paused_until: float
    tokens: float = math.inf
    """More than it can hold: as many as it can."""
    owed: float = 0.0
    """Taken, and not yet written down where all see it."""
    asked_until: float = -math.inf
    """The pause, likewise."""

    def fill(self, rate: Rate, now: float) -> float:
        """The tokens that there are; fewer than none where somebody did not wait for his."""
        passed = max(0.0, now - self.filled)
        self.tokens = min(rate.capacity, self.tokens + passed * rate.per_second)
        self.filled = max(self.filled, now)
        return self.tokens

    def take(self) -> None:
        self.tokens -= 1
        self.owed += 1

    def pause(self, until: float) -> None:
        self.paused_until = max(self.paused_until, until)
        self.asked_until = max(self.asked_until, until)

    def renew(self, now: float) -> None:
        """As full as it can be, and no pause."""
        self.filled, self.paused_until, self.tokens = now, now, math.inf
        self.is_known()

    def learn(self, filled: float, paused_until: float, tokens: float) -> None:
        """What all know of it; what was done alone comes on top."""
        self.filled, self.tokens = filled, tokens - self.owed
        self.paused_until = max(paused_until, self.asked_until)

    def is_known(self) -> None:
        """To all, as it is."""
        self.owed, self.asked_until = 0.0, -math.inf
