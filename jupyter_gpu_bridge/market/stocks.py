"""How much there is: a provider offers the same GPUs in several ways, and whoever takes one of them takes from all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from jupyter_gpu_bridge.model import Offer


@dataclass(frozen=True, slots=True)
class Stock:
    """Offers that are not beside one another, but instead of one another."""

    offers: Sequence[Offer]
    count: int
    """How many of them can be had at once."""
    gpus: int
    """That they have together then; where a provider does not say how many there are, at least."""


def stocks(offers: Iterable[Offer]) -> Sequence[Stock]:
    """The very computer is known, or else the place; what is offered without a place is at any of those with one."""
    found: dict[Hashable, list[Offer]] = {}
    for offer in offers:
        found.setdefault(_which(offer), []).append(offer)
    return [_stock(some) for some in found.values()]


def _which(offer: Offer) -> Hashable:
    if offer.host:
        return offer.provider, offer.gpu, offer.host
    return offer.provider, offer.gpu, offer.tier, offer.is_spot


def _stock(offers: Sequence[Offer]) -> Stock:
    if len(offers) == 1:
        return Stock(offers, 1, offers[0].gpu_count)
    regions: dict[str, list[Offer]] = {}
    for offer in offers:
        regions.setdefault("" if offer.host else offer.region, []).append(offer)
    each = {region: _at_once(some) for region, some in regions.items()}
    anywhere = each.pop("", (0, 0))
    return Stock(
        offers,
        max(anywhere[0], sum(count for count, _ in each.values())),
        max(anywhere[1], sum(gpus for _, gpus in each.values())),
    )


def _at_once(offers: Sequence[Offer]) -> tuple[int, int]:
    """Of as many GPUs each they are beside one another; of other numbers, or as spot, they are the same GPUs again."""
    alike: Mapping[tuple[int, bool], int] = Counter((offer.gpu_count, offer.is_spot) for offer in offers)
    gpus, size = max((number * size, size) for (size, _), number in alike.items())
    return gpus // size, gpus
