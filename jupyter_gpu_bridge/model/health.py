"""The words for how the clouds do, as far as this process has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum


class ProviderState(Enum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNAVAILABLE = "unavailable"


class BreakerState(Enum):
    CLOSED = "closed"
    """Calls are made."""
    OPEN = "open"
    """None is made, but those that destroy."""
    HALF_OPEN = "half_open"
    """One may try."""


@dataclass(frozen=True, slots=True)
class BreakerHealth:
    operation: str
    state: BreakerState
    failures: int
    """In a row, until now."""
    trips: int
    """How often it has opened."""
    failed_before: timedelta | None = None
    """How long ago a call failed last."""
    tries_in: timedelta | None = None
    """When it will be tried again, if it is open."""


@dataclass(frozen=True, slots=True)
class LimiterHealth:
    """Of the credential in use that has the least left."""

    per_second: float
    capacity: float
    """Requests at once, after a rest."""
    available: float
    blocked: int
    """How many wait for their turn."""
    paused: timedelta | None = None
    """For so long the provider wants to be left alone."""

    @property
    def utilisation(self) -> float:
        return 1 - self.available / self.capacity


@dataclass(frozen=True, slots=True)
class CacheHealth:
    entries: int
    hits: int
    misses: int
    ttl: timedelta
    """For how long offers that come now are remembered."""

    @property
    def ratio(self) -> float | None:
        """`None`: nobody has looked yet."""
        return self.hits / (self.hits + self.misses) if self.hits + self.misses else None


@dataclass(frozen=True, slots=True)
class ProviderHealth:
    provider: str
    state: ProviderState
    why: str
    """Empty when it is healthy."""
    calls: int
    """How many of late the figures are of."""
    success_rate: float | None
    """Of these: a clear no is an answer as well."""
    median: timedelta | None
    """Of the time to an answer."""
    p95: timedelta | None
    breakers: Sequence[BreakerHealth]
    limiter: LimiterHealth | None
    """`None`: nothing is limited, or nothing was asked yet."""
    cache: CacheHealth
    key_trouble: str = ""
    """In a few words, where it answers and is of no use, since our key is."""


@dataclass(frozen=True, slots=True)
class Health:
    providers: Sequence[ProviderHealth]

    @property
    def is_well(self) -> bool:
        return all(each.state is ProviderState.HEALTHY for each in self.providers)

    def count(self, state: ProviderState) -> int:
        return sum(each.state is state for each in self.providers)

    @property
    def summary(self) -> str:
        """One sentence."""
        if not self.providers:
            return "No provider is set up."
        counted = [f"{self.count(state)} {state.value}" for state in ProviderState if self.count(state)]
        return f"Of {len(self.providers)} provider{'s' * (len(self.providers) > 1)}: {', '.join(counted)}."
