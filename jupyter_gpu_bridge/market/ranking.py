"""In which order offers are shown and tried: by a formula over their facts, the lowest first, the unknown last."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from jupyter_gpu_bridge.market import facts
from jupyter_gpu_bridge.market.lessons import NOTHING, Lessons
from jupyter_gpu_bridge.model import Offer, Ranking

Fact = Callable[[str], Any]
"""Given the name of a number, the number, or a column of them."""

FORMULAS: Mapping[Ranking, Callable[[Fact], Sequence[Any]]] = {
    Ranking.PRICE: lambda fact: (fact("price"),),
    Ranking.VALUE: lambda fact: (fact("price") / (fact("score") * fact("count")),),
    Ranking.MEMORY: lambda fact: (fact("price") / fact("all_memory"),),
    Ranking.PERFORMANCE: lambda fact: (-fact("score"), -fact("count")),
    Ranking.RELIABILITY: lambda fact: (-fact("reliability"),),
    Ranking.BOOT: lambda fact: (fact("boot"),),
}
"""What comes out for one offer is for one to compare, for columns a column."""


def ranked(
    offers: Iterable[Offer],
    ranking: Ranking,
    *,
    lessons: Lessons = NOTHING,
    weight: Callable[[str], float] = lambda provider: 1.0,
    chance: Callable[[], float] = random.random,
) -> Sequence[Offer]:
    """The best first; whoever has made trouble comes after all others.

    Among equals of several providers chance decides, in favour of those that do well: `weight`, above 0.
    """
    offers = list(offers)
    luck = {name: -(chance() ** (1 / weight(name))) for name in sorted({offer.provider for offer in offers})}

    def place(offer: Offer) -> tuple[float | str, ...]:
        def fact(name: str) -> float:
            return float(lessons.boot(offer) if name == "boot" else facts.NUMBERS[name](offer))

        formula = [_last_if_unknown(each) for each in _computed(ranking, fact)]
        return (lessons.trouble(offer), *formula, offer.price.micros, luck[offer.provider], offer.name)

    return sorted(offers, key=place)


def _computed(ranking: Ranking, fact: Fact) -> Sequence[float]:
    try:
        return [float(each) for each in FORMULAS[ranking](fact)]
    except ZeroDivisionError:
        return [facts.UNKNOWN]


def _last_if_unknown(value: float) -> float:
    return math.inf if math.isnan(value) else value
