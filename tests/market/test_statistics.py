"""What a market looks like as a whole, against the plain arithmetic of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from statistics import mean

from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_gpu_bridge.market.statistics import Figures, statistics
from jupyter_gpu_bridge.model import Money, Offer
from tests.market.history.offered import offer

_OFFERS = st.lists(
    st.builds(
        Offer,
        provider=st.sampled_from(["vast", "runpod", "lambda"]),
        offer_id=st.just("x"),
        gpu=st.sampled_from(["H100 SXM", "A100", "T4", ""]),
        gpu_count=st.integers(0, 9),
        gpu_memory_mib=st.just(1),
        price=st.integers(-3, 50_000_000).map(Money),
        is_spot=st.booleans(),
    ),
    max_size=40,
)


def nearest(price: Fraction) -> Money:
    """Micro-dollars; a half counts up."""
    return Money(int((price + Fraction(1, 2)) // 1))


def slow_figures(offers: Sequence[Offer]) -> Figures:
    each = [Fraction(offer.price.micros, offer.gpu_count) for offer in offers]
    return Figures(
        len(offers),
        sum(offer.gpu_count for offer in offers),
        nearest(min(each)),
        nearest(Fraction(mean(each))),
        nearest(max(each)),
    )


@settings(max_examples=300, deadline=None)
@given(_OFFERS)
def test_figures_are_those_of_exact_arithmetic(offers: Sequence[Offer]) -> None:
    """Of computers of which each is another one."""
    offers = [replace(offer, host=str(number)) for number, offer in enumerate(offers)]
    counted = [each for each in offers if each.gpu and each.gpu_count and each.price >= Money()]
    found = statistics(offers)
    assert found.total == (slow_figures(counted) if counted else None)
    assert found.model_count == len({each.gpu for each in counted})
    for model in found.models:
        of_it = [each for each in counted if (each.gpu, each.is_spot) == (model.gpu, model.is_spot)]
        assert model.figures == slow_figures(of_it)
        assert list(model.providers) == sorted({each.provider for each in of_it})
    for provider in found.providers:
        by_it = [each for each in counted if each.provider == provider.provider]
        assert provider.figures == slow_figures(by_it)
        assert provider.models == len({each.gpu for each in by_it})
    assert sum(model.figures.offers for model in found.models) == len(counted)
    assert sum(provider.figures.gpus for provider in found.providers) == sum(each.gpu_count for each in counted)


def test_what_may_be_taken_back_is_counted_apart_and_a_pretence_is_called_so() -> None:
    found = statistics([offer("2.00"), offer("0.50", is_spot=True), offer("0.01", "T4", is_pretend=True)])
    assert [(model.gpu, model.is_spot, str(model.figures.low), model.is_pretend) for model in found.models] == [
        ("H100 SXM", False, "$2.00", False),
        ("H100 SXM", True, "$0.50", False),
        ("T4", False, "$0.01", True),
    ]


def test_a_third_of_a_dollar_is_as_near_as_money_gets() -> None:
    found = statistics([offer("1.00", count=3), offer("2.00", count=3)])  # of a size: beside one another
    assert found.total == Figures(2, 6, Money(333_333), Money(500_000), Money(666_667))
