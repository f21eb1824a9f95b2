"""How one provider does, from what this process has seen of it.

- **unavailable**: it does not answer now, does not take the key, or nothing is read from it since its breaker is open;
- **degraded**: another breaker is not closed, less than 90 % of its recent calls went well (of five at least), one
  answer in twenty takes longer than ten seconds, or it wants to be left alone for a while;
- **healthy**: none of this.
"""

from __future__ import annotations

from datetime import timedelta

from jupyter_gpu_bridge.model import (
    BreakerHealth,
    BreakerState,
    CacheHealth,
    LimiterHealth,
    ProviderHealth,
    ProviderState,
)
from jupyter_gpu_bridge.providers.breaker import Breaker
from jupyter_gpu_bridge.providers.calls import Kind
from jupyter_gpu_bridge.providers.gate import Conduct, gates
from jupyter_gpu_bridge.providers.limiter import Limiter
from jupyter_gpu_bridge.providers.offers import remembered

_GOOD_RATE = 0.9
_ENOUGH_CALLS = 5
_SLOW = 10.0
_WEIGHTS = {ProviderState.HEALTHY: 1.0, ProviderState.DEGRADED: 0.4, ProviderState.UNAVAILABLE: 0.05}
_LEAST = 0.05


def of(name: str, trouble: str = "") -> ProviderHealth:
    """`trouble`: why it could not be asked just now."""
    conduct = gates().conduct(name)
    limiter = _limiter(name)
    state, why = _judged(conduct, limiter, trouble)
    return ProviderHealth(
        provider=name,
        state=state,
        why=why,
        calls=conduct.recent.count,
        success_rate=conduct.recent.success_rate,
        median=_time(conduct.recent.response_time(0.5)),
        p95=_time(conduct.recent.response_time(0.95)),
        breakers=[_breaker(kind, breaker) for kind, breaker in conduct.breakers.items()],
        limiter=limiter,
        cache=_cache(name),
    )


def weight(name: str) -> float:
    """How much is in favour of this provider where it makes no other difference: above 0, at most 1."""
    conduct = gates().conduct(name)
    state, _ = _judged(conduct, _limiter(name), "")
    rate = conduct.recent.success_rate
    return _WEIGHTS[state] * max(_LEAST, 1.0 if rate is None else rate)


def _judged(conduct: Conduct, limiter: LimiterHealth | None, trouble: str) -> tuple[ProviderState, str]:
    if trouble:
        return ProviderState.UNAVAILABLE, trouble
    if conduct.breakers[Kind.READ].state is BreakerState.OPEN:
        return ProviderState.UNAVAILABLE, "It has failed again and again, and is not asked for a while."
    if conduct.open_breakers:
        kinds = ", ".join(kind.value for kind in conduct.open_breakers)
        return ProviderState.DEGRADED, f"Calls of a kind have failed again and again: {kinds}."
    rate, slow = conduct.recent.success_rate, conduct.recent.response_time(0.95)
    if rate is not None and conduct.recent.count >= _ENOUGH_CALLS and rate < _GOOD_RATE:
        return ProviderState.DEGRADED, f"Only {rate:.0%} of its last {conduct.recent.count} calls went well."
    if slow is not None and slow > _SLOW:
        return ProviderState.DEGRADED, f"One answer in twenty takes {slow:.0f} s or longer."
    if limiter is not None and limiter.paused is not None:
        return ProviderState.DEGRADED, f"It wants to be left alone for {limiter.paused.total_seconds():.0f} s."
    return ProviderState.HEALTHY, ""


def _breaker(kind: Kind, breaker: Breaker) -> BreakerHealth:
    return BreakerHealth(
        operation=kind.value,
        state=breaker.state,
        failures=breaker.failures,
        trips=breaker.trips,
        failed_before=_time(breaker.since_last_failure),
        tries_in=_time(breaker.tries_in),
    )


def _limiter(name: str) -> LimiterHealth | None:
    found = [health for limiter in gates().limiters(name) if (health := _of_one(limiter)) is not None]
    return min(found, key=lambda health: health.available - health.blocked, default=None)


def _of_one(limiter: Limiter) -> LimiterHealth | None:
    rate = limiter.rate
    if rate is None:
        return None
    paused = limiter.paused_for
    return LimiterHealth(
        per_second=rate.per_second,
        capacity=rate.capacity,
        available=limiter.available,
        blocked=limiter.blocked,
        paused=timedelta(seconds=paused) if paused else None,
    )


def _cache(name: str) -> CacheHealth:
    cache = remembered().cache
    figures = cache.figures(name)
    return CacheHealth(cache.entries(name), figures.hits, figures.misses, timedelta(seconds=cache.ttl(name)))


def _time(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
