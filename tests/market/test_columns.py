"""A hundred thousand offers in columns are judged and sorted as each of them is alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_gpu_bridge.market.browse import sift
from jupyter_gpu_bridge.market.columns import Columns
from jupyter_gpu_bridge.market.conditions import conditions, lacking
from jupyter_gpu_bridge.market.intent import completed
from jupyter_gpu_bridge.market.lessons import Lessons
from jupyter_gpu_bridge.market.ranking import ranked
from jupyter_gpu_bridge.model import Money, Need, Offer, Place, Ranking, Reputation
from jupyter_gpu_bridge.model.query import Query
from tests.market.offers import needs, offers

SEVERAL = st.lists(offers, max_size=30, unique_by=lambda offer: offer.name)


_FAILS = Reputation(tries=2, failures=2)
LESSONS = Lessons(
    {
        Place("vast", "", "RTX 4090", "secure"): _FAILS,
        Place("vast", "", "L4"): _FAILS,
        Place("runpod", "", "H100 SXM", "Community"): _FAILS,
        Place("vast", "host-7"): _FAILS,
        Place("runpod", "host-7"): Reputation(tries=9, failures=2),
    },
    {("vast", "L4"): timedelta(seconds=40), ("runpod", "RTX 4090"): timedelta(minutes=3)},
)


@settings(deadline=None)
@given(need=needs, several=SEVERAL)
def test_the_same_offers_fit_in_columns_and_alone(need: Need, several: Sequence[Offer]) -> None:
    asked = conditions(completed(need))
    chosen = Columns(several).choose(asked, Ranking.PRICE, len(several))
    alone = [offer for offer in several if not lacking(offer, asked)]
    assert {offer.name for _, offer in chosen.rows} == {offer.name for offer in alone}
    assert chosen.fitting == len(alone)
    lost = {each.phrase: (each.count, each.alone) for each in chosen.excluded}
    for condition in asked:
        lacks = [lacking(offer, asked) for offer in several]
        count = sum(condition.phrase in phrases for phrases in lacks)
        assert lost.get(condition.phrase, (0, 0)) == (count, sum(phrases == (condition.phrase,) for phrases in lacks))


@settings(deadline=None)
@given(several=SEVERAL, ranking=st.sampled_from(Ranking))
def test_the_same_order_in_columns_and_alone(several: Sequence[Offer], ranking: Ranking) -> None:
    rows = Columns(several).choose([], ranking, len(several), LESSONS).rows
    alone = ranked(several, ranking, lessons=LESSONS, chance=lambda: 0.5)
    places = {offer.name: key for key, offer in rows}
    assert [places[offer.name] for offer in alone] == sorted(places.values())


@settings(deadline=None)
@given(several=SEVERAL, ranking=st.sampled_from(Ranking), size=st.integers(1, 7), split=st.integers(0, 30))
def test_pages_put_together_are_the_whole_and_nothing_is_on_two(
    several: Sequence[Offer], ranking: Ranking, size: int, split: int
) -> None:
    """Whoever sells it: two shelves are paged as one."""
    shelves = [Columns(several[:split]), Columns(several[split:])]
    paged = [
        row.offer.name
        for first in range(0, max(1, len(several)), size)
        for row in sift(Query(ranking=ranking, first=first, count=size), [], shelves)[0]
    ]
    whole = [row.offer.name for row in sift(Query(ranking=ranking, count=len(several)), [], shelves)[0]]
    assert paged == whole
    assert sorted(paged) == sorted(offer.name for offer in several)


@settings(deadline=None)
@given(
    several=SEVERAL, ranking=st.sampled_from([Ranking.VALUE, Ranking.PERFORMANCE, Ranking.RELIABILITY, Ranking.MEMORY])
)
def test_what_is_not_known_comes_last_and_is_never_hidden(several: Sequence[Offer], ranking: Ranking) -> None:
    unknown = Offer("vast", "unknown", "", 0, 0, Money())
    rows = Columns([unknown, *several]).choose([], ranking, len(several) + 1).rows
    assert len(rows) == len(several) + 1
    known = [offer.name for key, offer in rows if key[1] != float("inf")]
    assert unknown.name not in known
    assert [offer.name for _, offer in rows][: len(known)] == known


def test_the_best_of_each_ranking_is_the_one_that_people_would_name() -> None:
    cheap = Offer("vast", "cheap", "RTX 3090", 1, 24_576, Money.parse("0.20"))
    fast = Offer("vast", "fast", "H100 SXM", 1, 81_920, Money.parse("2.50"))
    many = Offer("vast", "many", "RTX 4090", 8, 24_564, Money.parse("4.00"))
    big = Offer("vast", "big", "A100 80GB PCIe", 1, 81_920, Money.parse("0.60"))
    several = [fast, many, big, cheap]
    best = {ranking: ranked(several, ranking)[0].offer_id for ranking in Ranking}
    assert best[Ranking.PRICE] == "cheap"
    assert best[Ranking.PERFORMANCE] == "fast"
    assert best[Ranking.MEMORY] == "big"
    assert best[Ranking.VALUE] == "cheap"
    dear = replace(cheap, price=Money.parse("0.30"))
    assert ranked([dear, many], Ranking.VALUE)[0] is dear
    assert ranked([replace(dear, price=Money.parse("0.39")), many], Ranking.VALUE)[0] is many
