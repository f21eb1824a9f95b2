"""What a provider offers at one moment, in few figures for each of its GPUs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from jupyter_gpu_bridge.market.per_gpu import has_gpu, per_gpu, shared
from jupyter_gpu_bridge.model import Money, Offer

LONGEST = 200
"""Letters of a GPU's name; a longer one is nobody's, and no database has to keep it."""

Sold = tuple[str, bool]
"""A GPU as offers spell it, and whether it is sold as spot."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Of one GPU for an hour, over all offers of that model; of no price when there is no offer."""

    offers: int
    low: Money | None = None
    median: Money | None = None
    high: Money | None = None
    is_pretend: bool = False


def snapshot(offers: Iterable[Offer]) -> Mapping[Sold, Prices]:
    """Computers without a GPU are left out."""
    found: dict[Sold, list[Money]] = {}
    pretended: set[Sold] = set()
    for offer in offers:
        if not has_gpu(offer) or len(offer.gpu) > LONGEST:
            continue
        sold = (offer.gpu, offer.is_spot)
        found.setdefault(sold, []).append(per_gpu(offer))
        if offer.is_pretend:
            pretended.add(sold)
    return {sold: _prices(of_each, sold in pretended) for sold, of_each in found.items()}


def _prices(of_each: list[Money], is_pretend: bool) -> Prices:
    of_each.sort()
    count = len(of_each)
    median = shared(of_each[(count - 1) // 2] + of_each[count // 2], 2)
    return Prices(count, of_each[0], median, of_each[-1], is_pretend)
