"""A few words make an order; what is not understood is never left out."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_gpu_bridge import gpus
from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.market.intent import understand
from jupyter_gpu_bridge.model import Money, Need, Order, Ranking


@pytest.mark.parametrize(
    ("words", "ranking", "need"),
    [
        ("cheapest with >= 24 GB", Ranking.PRICE, {"gpu_memory_mib": 24 * 1024}),
        ("cheapest with ≥ 24GB", Ranking.PRICE, {"gpu_memory_mib": 24 * 1024}),
        ("fastest under $2", Ranking.PERFORMANCE, {"max_price": Money.parse("2")}),
        ("Best Value", Ranking.VALUE, {}),
        ("best value 2 x H100 in US", Ranking.VALUE, {"gpus": ("H100",), "gpu_count": 2, "regions": ("US",)}),
        ("8xH100", Ranking.PRICE, {"gpus": ("H100",), "gpu_count": 8}),
        (
            "RTX 4090 or A100, spot, at vast",
            Ranking.PRICE,
            {"gpus": ("RTX 4090", "A100"), "allows_spot": True, "providers": ("vast",)},
        ),
        (
            "cheapest 4090 with 64 GB RAM and 200 GB disk",
            Ranking.PRICE,
            {"gpus": ("4090",), "memory_mib": 64 * 1024, "disk_gib": 200},
        ),
        (
            "fastest datacenter gpu under $2.50/h for 3h",
            Ranking.PERFORMANCE,
            {"categories": ("datacenter",), "max_price": Money.parse("2.50"), "lasts": timedelta(hours=3)},
        ),
        (
            "most reliable RTX 3090, 99.5 % reliable, cuda 12.4, verified",
            Ranking.RELIABILITY,
            {"gpus": ("RTX 3090",), "reliability": Decimal("0.995"), "cuda": "12.4", "must_be_verified": True},
        ),
        ("2 gpus with at least 24gb", Ranking.PRICE, {"gpu_count": 2, "gpu_memory_mib": 24 * 1024}),
        ("cheapest VRAM", Ranking.MEMORY, {}),
        ("soonest, only spot", Ranking.BOOT, {"only_spot": True, "allows_spot": True}),
        ("a gpu, please", Ranking.PRICE, {}),
        ("in stock, RTX 4090", Ranking.PRICE, {"stock": "medium", "gpus": ("RTX 4090",)}),
        ("RTX 4090 in US, spot", Ranking.PRICE, {"gpus": ("RTX 4090",), "regions": ("US",), "allows_spot": True}),
        ("in us-east-1, H100", Ranking.PRICE, {"regions": ("us-east-1",), "gpus": ("H100",)}),
        (
            "in US or in EU, at vast, at runpod",
            Ranking.PRICE,
            {"regions": ("US", "EU"), "providers": ("vast", "runpod")},
        ),
        ("cheapest in US, under $2", Ranking.PRICE, {"regions": ("US",), "max_price": Money.parse("2")}),
        ("", Ranking.PRICE, {}),
    ],
)
def test_words_mean_what_people_mean(words: str, ranking: Ranking, need: dict[str, Any]) -> None:
    order = understand(words)
    assert order == Order(need=Need(**need), ranking=ranking)


def test_what_was_said_before_stays_unless_it_is_said_anew() -> None:
    before = understand("fastest A100 under $2")
    after = understand("under $3", before)
    assert after.ranking is Ranking.PERFORMANCE
    assert after.need == Need(gpus=("A100",), max_price=Money.parse("3"))


@pytest.mark.parametrize(
    ("words", "word", "advice"),
    [
        ("cheapest H1000", "H1000", "Did you mean H100"),
        ("cheapest with 24 bananas", "24", "For example"),
        ("not in US", "not", "For example"),
        ("fastest under 2 euros", "under", "For example"),
        ("at most 24 GB", "at", "For example"),
        ("more than 1 gpu", "more", "For example"),
    ],
)
def test_what_is_not_understood_is_said_and_nothing_is_guessed(words: str, word: str, advice: str) -> None:
    with pytest.raises(BadRequest, match=f"{word!r} is not understood") as refused:
        understand(words)
    assert advice in refused.value.advice


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_understood_or_refused(text: str) -> None:
    with contextlib.suppress(BadRequest):
        assert isinstance(understand(text), Order)


def test_each_model_can_be_said_in_a_sentence() -> None:
    for model in gpus.models():
        order = understand(f"cheapest {model.name} under $9")
        assert gpus.titles_wanted(order.need.gpus) == (model.name,), model.name
        assert order.need.max_price == Money.parse("9")


def test_too_many_words_are_refused() -> None:
    with pytest.raises(BadRequest, match="too much"):
        understand("cheapest " * 100)


@pytest.mark.parametrize(
    ("words", "again"),
    [
        ("A100 under $2 or H100 under $3", "under $3"),
        ("24 GB or 48 GB", "48 GB"),
        ("H100 or 2 x A100 or 4 x A100", "4 x A100"),
        ("cheapest, fastest", "fastest"),
    ],
)
def test_what_is_said_twice_and_differs_is_refused(words: str, again: str) -> None:
    with pytest.raises(BadRequest, match="is not what was said before it") as refused:
        understand(words)
    assert again in str(refused.value)
