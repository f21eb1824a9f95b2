"""When to try again: later and later, a little by chance, or as the cloud says; never when there is no time for it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from jupyter_gpu_bridge.providers.dates import date

_FAR = 10.0 * 365 * 86400
"""Seconds; whatever is said beyond it is no less far away."""


@dataclass(frozen=True, slots=True)
class RetryRules:
    most: int = 3
    """Repetitions."""
    base: float = 2.0
    """Seconds before the first one; each other pause is twice as long."""
    longest: float = 32.0
    jitter: float = 1.0

    @property
    def patience(self) -> float:
        """Seconds that all pauses can take together."""
        return sum(min(self.longest, self._pause(number) + self.jitter) for number in range(self.most))

    def pause(
        self, repeated: int, left: float, asked: float | None, chance: Callable[[], float] = random.random
    ) -> float | None:
        """Seconds until the next attempt, or `None` for no more of them.

        `repeated`: how often it was already; `left`: seconds that there are; `asked`: by the cloud.
        """
        if repeated >= self.most:
            return None
        jitter = self.jitter * chance()
        if asked is None:
            seconds = min(self.longest, self._pause(repeated) + jitter)
        else:
            seconds = asked + jitter if asked + jitter < left else asked
        return seconds if seconds < left else None

    def _pause(self, repeated: int) -> float:
        return min(self.longest, self.base * 2.0**repeated)


NEVER = RetryRules(0)


def retry_after(headers: Mapping[str, str], now: Callable[[], datetime] | None = None) -> float | None:
    """Seconds; the header is a number of them or a date, which is read beside the cloud's own idea of now."""
    said = headers.get("Retry-After", "").strip()
    if not said:
        return None
    if said.isascii() and said.isdigit():
        return min(float(said[:20]), _FAR)
    when = date(said)
    if when is None:
        return None
    since = date(headers.get("Date", "")) or (now() if now else datetime.now(timezone.utc))
    return min(max(0.0, (when - since).total_seconds()), _FAR)
