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
            "fastest datacenter gpu under $2.50/h",
            Ranking.PERFORMANCE,
            {"categories": ("datacenter",), "max_price": Money.parse("2.50")},
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


@pytest.mark.parametrize(
    ("spellings", "need"),
    [
        (
            "under $2; under $2/hr; under $2 /hour; under $2 hourly; under 2$; under 2$/h; under 2 dollars; "
            "at most 2 dollars; at most 2 dollars per hour; under 2 USD; cheaper than $2; $2 or less; for 2$",
            {"max_price": Money.parse("2")},
        ),
        ("under $.50; under .50$; at most 0.50 dollars", {"max_price": Money.parse("0.50")}),
        ("over $.50; more than 0.50 dollars an hour", {"min_price": Money.parse("0.50")}),
        (
            "24 GB+; 24GB+; 24+ GB; 24 GB or more; at least 24 GB; 24 GB+ VRAM; 24 GB VRAM or more; 24 GB and up",
            {"gpu_memory_mib": 24 * 1024},
        ),
        ("over 24 GB; more than 24 GB; with > 24 GB VRAM; above 24GB", {"gpu_memory_mib": 25 * 1024}),
        ("64 GB RAM or more; 64 GB+ of RAM", {"memory_mib": 64 * 1024}),
        ("more than 64 GB RAM", {"memory_mib": 65 * 1024}),
        ("1 TB+ disk; 1 TB or more disk", {"disk_gib": 1024}),
        ("over 1 TB of storage", {"disk_gib": 1025}),
        ("H100s; one H100; 1 H100; an H100", {"gpus": ("H100",)}),
        ("two H100; two H100s; 2 H100s; 2x H100", {"gpus": ("H100",), "gpu_count": 2}),
        ("eight gpus; 8 GPUs", {"gpu_count": 8}),
        ("in New York; in New York, ; in  New  York", {"regions": ("New York",)}),
        ("in united kingdom", {"regions": ("united kingdom",)}),
        ("in Salt Lake City under $2", {"regions": ("Salt Lake City",), "max_price": Money.parse("2")}),
        ("in San Jose H100", {"regions": ("San Jose",), "gpus": ("H100",)}),
        ("in Sweden Cheapest", {"regions": ("Sweden",)}),
    ],
)
def test_what_is_spelled_in_several_ways_is_the_same(spellings: str, need: dict[str, Any]) -> None:
    for words in spellings.split("; "):
        assert understand(words) == Order(need=Need(**need)), words


@pytest.mark.parametrize("words", ["not spot", "no spot", "non-spot", "without spot", "on demand"])
def test_spot_is_refused_in_any_words(words: str) -> None:
    assert understand(words, understand("A100, spot")) == understand("A100")


@pytest.mark.parametrize(
    ("words", "time"),
    [
        ("for 2 days", timedelta(days=2)),
        ("for two days", timedelta(days=2)),
        ("for 2d", timedelta(days=2)),
        ("for 1h30m", timedelta(minutes=90)),
        ("for 1.5 hours", timedelta(minutes=90)),
        ("for an hour and 30 minutes", timedelta(minutes=90)),
        ("for a week", timedelta(days=7)),
    ],
)
def test_for_so_long_can_be_had_as_long_and_ends_then(words: str, time: timedelta) -> None:
    assert understand(f"H100 {words}") == Order(need=Need(gpus=("H100",), lasts=time), deadline=time)


def test_a_time_that_is_not_understood_is_told_how_to_be_said() -> None:
    with pytest.raises(BadRequest, match="'for' is not understood") as refused:
        understand("H100 for 2 months")
    assert "--for 2d" in refused.value.advice
    with pytest.raises(BadRequest, match="longer than anything lasts"):
        understand("for 999999999999 days")


def test_a_model_whose_name_ends_like_several_is_that_model() -> None:
    for words, title in (("4080s", "RTX 4080 SUPER"), ("L40s", "L40S"), ("4090s", "RTX 4090"), ("L4s", "L4")):
        assert gpus.titles_wanted(understand(words).need.gpus) == (title,), words


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
        ("under 2", "under", "For example"),
        ("under $2/day", "/day", "For example"),
        ("over 24 bananas", "over", "For example"),
        ("two bananas", "two", "For example"),
        ("not verified", "not", "For example"),
        ("in US bananas", "bananas", "For example"),
        ("in Texas bananas", "bananas", "For example"),
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
