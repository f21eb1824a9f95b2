"""What a market looks like as a whole: how much of what there is, and what one GPU costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from jupyter_gpu_bridge.market.per_gpu import has_gpu, per_gpu
from jupyter_gpu_bridge.market.stocks import Stock, stocks
from jupyter_gpu_bridge.model import Money, Offer

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Figures:
    """Of some offers; prices are of one GPU for an hour, and what is offered in several ways counts once."""

    offers: int
    """That can be had at once."""
    gpus: int
    """Of all these; where a provider does not say how many there are, at least."""
    low: Money
    average: Money
    """Each offer counts once, however many GPUs it has; to the nearest micro-dollar."""
    high: Money


@dataclass(frozen=True, slots=True)
class ModelStatistics:
    gpu: str
    is_spot: bool
    figures: Figures
    providers: Sequence[str]
    is_pretend: bool = False


@dataclass(frozen=True, slots=True)
class ProviderStatistics:
    provider: str
    figures: Figures
    models: int
    is_pretend: bool = False


@dataclass(frozen=True, slots=True)
class MarketStatistics:
    """Of those offers that have a GPU."""

    total: Figures | None
    """Nothing: there is no such offer."""
    models: Sequence[ModelStatistics]
    """Each on demand and as spot apart, by name."""
    providers: Sequence[ProviderStatistics]
    """By name."""

    @property
    def model_count(self) -> int:
        return len({model.gpu for model in self.models})


def statistics(offers: Iterable[Offer]) -> MarketStatistics:
    counted = [offer for offer in offers if has_gpu(offer)]
    by_model = _grouped(counted, lambda offer: (offer.gpu, offer.is_spot))
    by_provider = _grouped(counted, lambda offer: offer.provider)
    return MarketStatistics(
        _figures(counted) if counted else None,
        [
            ModelStatistics(
                gpu, is_spot, _figures(some), sorted({offer.provider for offer in some}), _are_pretend(some)
            )
            for (gpu, is_spot), some in sorted(by_model.items())
        ],
        [
            ProviderStatistics(provider, _figures(some), len({offer.gpu for offer in some}), _are_pretend(some))
            for provider, some in sorted(by_provider.items())
        ],
    )


def _grouped(offers: Iterable[Offer], key: Callable[[Offer], K]) -> Mapping[K, Sequence[Offer]]:
    groups: dict[K, list[Offer]] = {}
    for offer in offers:
        groups.setdefault(key(offer), []).append(offer)
    return groups


def _figures(offers: Sequence[Offer]) -> Figures:
    prices, found = [per_gpu(offer) for offer in offers], stocks(offers)
    gpus = sum(stock.gpus for stock in found)
    return Figures(sum(stock.count for stock in found), gpus, min(prices), _average(found), max(prices))


def _average(found: Sequence[Stock]) -> Money:
    """Exact until it is rounded: what is divided by as much is added up in whole micro-dollars before."""
    sums: Counter[int] = Counter()
    for stock in found:
        for offer in stock.offers:
            sums[offer.gpu_count * len(stock.offers)] += offer.price.micros * stock.count
    total = sum((Fraction(sum_, by) for by, sum_ in sums.items()), Fraction())
    return Money(int(total / sum(stock.count for stock in found) + Fraction(1, 2)))


def _are_pretend(offers: Iterable[Offer]) -> bool:
    return any(offer.is_pretend for offer in offers)
