"""Figures for Prometheus, in a registry of our own: a Jupyter server has one of the same library for itself.

The labels are provider, operation and outcome only, so that there are never many series.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from jupyter_gpu_bridge.providers.calls import Kind, Outcome

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Histogram

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


@dataclass(frozen=True, slots=True)
class _Figures:
    registry: CollectorRegistry
    calls: Counter
    repetitions: Counter
    seconds: Histogram
    lookups: Counter
    alone: Counter


def count(provider: str, kind: Kind, outcome: Outcome) -> None:
    _figures().calls.labels(provider, kind.value, outcome.value).inc()


def repeat(provider: str, kind: Kind) -> None:
    _figures().repetitions.labels(provider, kind.value).inc()


def observe(provider: str, kind: Kind, seconds: float) -> None:
    _figures().seconds.labels(provider, kind.value).observe(seconds)


def look_up(provider: str, outcome: str) -> None:
    """In the cache of offers."""
    _figures().lookups.labels(provider, outcome).inc()


def count_alone(provider: str) -> None:
    """The count of requests could not be shared with other processes for a while."""
    _figures().alone.labels(provider).inc()


def exposed() -> bytes:
    """As Prometheus reads it."""
    from prometheus_client import generate_latest

    return generate_latest(_figures().registry)


def forget() -> None:
    """As in a new process."""
    _figures.cache_clear()


@lru_cache(maxsize=1)
def _figures() -> _Figures:
    from prometheus_client import CollectorRegistry, Counter, Histogram

    registry = CollectorRegistry()
    who = ("provider", "operation")
    return _Figures(
        registry,
        Counter("gpu_bridge_provider_calls", "Calls, with all repetitions.", (*who, "outcome"), registry=registry),
        Counter("gpu_bridge_provider_repetitions", "Requests that were sent again.", who, registry=registry),
        Histogram(
            "gpu_bridge_provider_seconds", "Time to an answer.", who, registry=registry, buckets=_SECONDS
        ),
        Counter(
            "gpu_bridge_provider_offer_lookups", "Looks into the cache of offers.", ("provider", "outcome"),
            registry=registry,
        ),
        Counter(
            "gpu_bridge_provider_limiter_alone", "Times that requests were counted by this process alone for a while.",
            ("provider",), registry=registry,
        ),
    )  # fmt: skip
