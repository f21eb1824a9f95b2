"""The offers of all providers, remembered for those who only look; nobody rents what is remembered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from jupyter_gpu_bridge.aside import aside
from jupyter_gpu_bridge.model import Money, Need, Offer
from jupyter_gpu_bridge.providers import configuration, metrics, settings
from jupyter_gpu_bridge.providers.cache import AdaptiveCache, CacheRules, Kept

_MOST = Money.parse("1000000")
"""Dollars per hour."""
_MOST_GPUS = 10_000
_MOST_OF_GPU = 100 << 20
"""MiB."""
_MOST_ELSE = 10**9
"""Cores, MiB, GiB, megabits per second."""

Ask = Callable[[], Awaitable[Sequence[Offer]]]


class RememberedOffers:
    def __init__(self, cache: AdaptiveCache[Sequence[Offer]] | None = None) -> None:
        self.cache = cache or AdaptiveCache(_rules, essence=_essence)

    async def get(self, provider: str, need: Need, ask: Ask) -> Kept[Sequence[Offer]]:
        """At most as old as the cache's rules say, unless the provider does not answer; each knows when it was seen."""

        async def asked() -> Sequence[Offer]:
            metrics.look_up(provider, "asked")
            return await _dated(await ask())

        configuration.known()
        metrics.look_up(provider, "wanted")
        return await self.cache.get((provider, _normal(need)), asked)

    def older(self, provider: str, need: Need) -> Kept[Sequence[Offer]] | None:
        """What there is to look at while `get` waits for an answer; see `AdaptiveCache.older`."""
        configuration.known()
        return self.cache.older((provider, _normal(need)))

    async def anew(self, provider: str, need: Need, ask: Ask) -> Sequence[Offer]:
        """As they are now, whatever is remembered; that is not older then either."""
        offers = await _dated(await ask())
        self.cache.put((provider, _normal(need)), offers)
        return offers

    def invalidate(self, provider: str = "") -> None:
        self.cache.invalidate(provider)


def _normal(need: Need) -> Need:
    """Without what makes no difference to the one provider that is asked."""
    return replace(
        need,
        gpus=tuple(sorted({gpu.casefold() for gpu in need.gpus})),
        gpu_titles=tuple(sorted(set(need.gpu_titles))),
        regions=tuple(sorted(set(need.regions))),
        providers=(),
    )


async def _dated(offers: Sequence[Offer]) -> Sequence[Offer]:
    """And without what nobody can mean: a price or a size below nothing, or beyond all reason."""
    return await aside(offers, _sound, offers)


def _sound(offers: Sequence[Offer]) -> Sequence[Offer]:
    now = datetime.now(timezone.utc)
    sound = [offer for offer in offers if 0 <= offer.price.micros <= _MOST.micros and _is_possible(offer)]
    return [offer if offer.seen is not None else replace(offer, seen=now) for offer in sound]


def _is_possible(offer: Offer) -> bool:
    """What is not known is."""
    sizes = (offer.cpus, offer.memory_mib, offer.disk_gib, offer.down_mbps or 0, offer.up_mbps or 0)
    prices = (offer.down_price or Money(), offer.up_price or Money())
    return (
        (1 if offer.gpu else 0) <= offer.gpu_count <= _MOST_GPUS
        and 0 <= offer.gpu_memory_mib <= _MOST_OF_GPU
        and all(0 <= size <= _MOST_ELSE for size in sizes)
        and all(0 <= price.micros <= _MOST.micros for price in prices)
        and 0 <= (offer.reliability or 0) <= 1
        and 0 <= (offer.benchmark or 0) <= _MOST_ELSE
        and (offer.lasts is None or offer.lasts >= timedelta())
    )


def _essence(offers: Sequence[Offer]) -> object:
    """In whatever order. A number: while a large set is made, all of our memory is gone through for waste."""
    return len(offers), sum(hash((offer.offer_id, offer.price.micros)) for offer in offers)


def _rules() -> CacheRules:
    return CacheRules(
        settings.CACHE_ENABLED.in_any_case(),
        settings.CACHE_TTL.in_any_case(),
        settings.CACHE_MAX_TTL.in_any_case(),
        settings.CACHE_MIN_TTL.in_any_case(),
    )


_present = RememberedOffers()


def remembered() -> RememberedOffers:
    """Those of this process."""
    return _present


def forget() -> None:
    """As in a new process."""
    global _present
    _present = RememberedOffers()
