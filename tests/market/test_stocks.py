"""How much there is, where the same GPUs are offered in several ways."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpu_bridge.market.statistics import Figures, statistics
from jupyter_gpu_bridge.market.stocks import stocks
from jupyter_gpu_bridge.model import Money, Offer


def offered(
    count: int, place: str = "", *, host: str = "", tier: str = "secure", spot: bool = False, price: str = "1"
) -> Offer:
    sum_ = Money.parse(price) * count
    return Offer("runpod", "x", "L4", count, 24_576, sum_, region=place, tier=tier, is_spot=spot, host=host)


@pytest.mark.parametrize(
    ("offers", "count", "gpus"),
    [
        ([offered(1, "EU"), offered(2, "EU"), offered(8, "EU")], 1, 8),
        ([offered(1, "EU"), offered(1, "US")], 2, 2),
        ([offered(1, "EU"), offered(1, "US"), offered(2), offered(4), offered(8)], 2, 8),
        ([offered(4, "EU"), offered(4, "US"), offered(2)], 2, 8),
        ([offered(1), offered(2), offered(4)], 1, 4),
        ([offered(1, "EU"), offered(1, "EU", tier="community")], 2, 2),
        ([offered(1, "EU"), offered(1, "EU", spot=True)], 2, 2),
        ([offered(1, "US", host="1"), offered(1, "US", host="2"), offered(2, "US", host="2")], 2, 3),
        ([offered(8, host="1"), offered(4, host="1"), offered(4, host="1")], 1, 8),
        ([offered(1, host="1"), offered(1, host="1")], 2, 2),
        ([offered(2, host="1"), offered(2, host="1", spot=True)], 1, 2),
        ([offered(2, "US", host="1"), offered(2, "US", host="1", tier="datacenter")], 2, 4),
    ],
)
def test_what_is_offered_instead_of_one_another_counts_once(offers: Sequence[Offer], count: int, gpus: int) -> None:
    for each in (offers, list(reversed(offers))):
        found = statistics(each).total
        assert found is not None
        assert (found.offers, found.gpus) == (count, gpus)


def test_a_stock_in_many_rows_weighs_no_more_than_one_in_a_single_row() -> None:
    many = [offered(number, "EU", price="1") for number in (1, 2, 4, 8)]
    found = statistics([*many, offered(1, "US", tier="community", price="3")])
    assert found.total == Figures(2, 9, Money.parse("1"), Money.parse("2"), Money.parse("3"))


_SOME = st.lists(
    st.builds(
        offered,
        st.sampled_from([1, 2, 4, 8]),
        st.sampled_from(["", "EU", "US"]),
        host=st.sampled_from(["", "", "1", "2"]),
        tier=st.sampled_from(["secure", "community"]),
        spot=st.booleans(),
        price=st.sampled_from(["0.1", "1", "2.5"]),
    ),
    min_size=1,
    max_size=20,
)


@given(_SOME)
def test_nothing_is_lost_nor_counted_twice(offers: Sequence[Offer]) -> None:
    found = stocks(offers)
    assert sorted(map(id, offers)) == sorted(id(offer) for stock in found for offer in stock.offers)
    for stock in found:
        assert max(offer.gpu_count for offer in stock.offers) <= stock.gpus
        assert stock.gpus <= sum(offer.gpu_count for offer in stock.offers)
        assert 1 <= stock.count <= len(stock.offers)
    total = statistics(offers).total
    assert total is not None
    assert total.low <= total.average <= total.high
