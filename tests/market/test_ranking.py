"""Who is tried first: whoever made trouble sinks, and among equals those that do well are chosen more often."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta

from jupyter_gpu_bridge.market.lessons import Lessons
from jupyter_gpu_bridge.market.ranking import ranked
from jupyter_gpu_bridge.model import Money, Offer, Place, Ranking, Reputation

PRICE = Money.parse("1")


def _offer(provider: str, number: int = 1, price: Money = PRICE) -> Offer:
    return Offer(provider, str(number), "H100", 1, 81_920, price)


def test_whoever_made_trouble_comes_after_all_others_however_cheap() -> None:
    cheap, dear = _offer("vast", 1, Money.parse("0.10")), _offer("runpod", 2)
    lessons = Lessons({Place.of(cheap): Reputation(tries=3, failures=2, why="no SSH after 5 min")})
    assert ranked([cheap, dear], Ranking.PRICE, lessons=lessons) == [dear, cheap]
    assert lessons.warning(cheap) == "failed 2 of 3 times (no SSH after 5 min)"
    assert lessons.warning(dear) == ""
    often = Lessons({Place.of(cheap): Reputation(tries=30, failures=2)})
    assert ranked([cheap, dear], Ranking.PRICE, lessons=often) == [cheap, dear]


def test_among_equals_those_that_do_well_are_chosen_more_often_and_all_are_tried() -> None:
    weights = {"well": 1.0, "ill": 0.25}
    chance = random.Random(7)
    offers = [_offer("well"), _offer("ill")]
    first: Counter[str] = Counter()
    for _ in range(4000):
        order = ranked(offers, Ranking.PRICE, weight=weights.__getitem__, chance=chance.random)
        assert {offer.provider for offer in order} == {"well", "ill"}
        first[order[0].provider] += 1
    assert 3.4 < first["well"] / first["ill"] < 4.7


def test_chance_never_comes_before_price() -> None:
    cheaper = _offer("ill", 1, Money.parse("0.99"))
    for seed in range(50):
        order = ranked([_offer("well"), cheaper], Ranking.PRICE, chance=random.Random(seed).random)
        assert order[0] is cheaper


def test_a_soon_machine_comes_first_where_that_is_known() -> None:
    slow, quick, unknown = _offer("a"), _offer("b"), _offer("c", price=Money())
    lessons = Lessons({}, {("a", "H100"): timedelta(minutes=5), ("b", "H100"): timedelta(seconds=40)})
    order = ranked([unknown, slow, quick], Ranking.BOOT, lessons=lessons)
    assert order == [quick, slow, unknown]
