"""What clouds answer is looked at before it is believed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from decimal import Decimal

import pytest

from jupyter_gpu_bridge.errors import Unclear
from jupyter_gpu_bridge.model import Money
from jupyter_gpu_bridge.providers.answers import Fields

GOOD = Fields(
    "A cloud",
    {
        "name": "x",
        "count": 3,
        "on": True,
        "price": Decimal("1.10"),
        "said": "1.10",
        "when": "2026-11-20T10:00:00.5Z",
        "inner": {"a": "b"},
        "list": [{"a": "c"}],
        "nothing": None,
    },
)


def test_what_is_there_is_read() -> None:
    assert GOOD.text("name") == "x"
    assert GOOD.whole("count") == 3
    assert GOOD.truth("on")
    assert GOOD.money("price") == GOOD.money("said") == Money(1_100_000)
    assert GOOD.number("price") == GOOD.number("said") == Decimal("1.10")
    assert GOOD.number("count") == GOOD.amount("count") == GOOD.count("count") == 3
    assert GOOD.moment("when") == datetime(2026, 11, 20, 10, 0, 0, 500000, timezone.utc)
    assert GOOD.inner("inner").text("a") == "b"
    assert [each.text("a") for each in GOOD.list("list")] == ["c"]


@pytest.mark.parametrize(
    "said", ["0", "1e-300", "3.0000000000000004e-05", "99999999999999999999", "0.1234567891234567891"]
)
def test_numbers_that_are_written_at_length_are_numbers(said: str) -> None:
    assert Fields("A cloud", {"a": Decimal(said)}).number("a") == Decimal(said)
    assert Fields("A cloud", {"a": -Decimal(said)}).number("a") == -Decimal(said)


def test_what_is_missing_may_have_a_usual_value() -> None:
    assert (GOOD.text("nothing", "usual"), GOOD.whole("none", 7), GOOD.truth("none", False)) == ("usual", 7, False)
    assert GOOD.number("nothing", Decimal(2)) == 2
    assert GOOD.moment("nothing") is None
    assert not GOOD.has("nothing")


@pytest.mark.parametrize(
    "read",
    [
        lambda: GOOD.text("count"),
        lambda: GOOD.text("nothing"),
        lambda: GOOD.whole("on"),
        lambda: GOOD.whole("price"),
        lambda: GOOD.truth("count"),
        lambda: GOOD.number("name"),
        lambda: GOOD.number("on"),
        lambda: GOOD.number("list"),
        lambda: Fields("A cloud", {"a": "NaN"}).number("a"),
        *[
            lambda number=number, read=read: read(Fields("A cloud", {"a": number}), "a")
            for number in (
                Decimal("1e400"),
                Decimal("1e5000000"),
                Decimal("1e-5000000"),
                "0e5000000",
                10**20,
                -(10**20),
            )
            for read in (Fields.number, Fields.amount, Fields.whole, Fields.count)
        ],
        lambda: Fields("A cloud", {"a": -1}).amount("a"),
        lambda: Fields("A cloud", {"a": -1}).count("a"),
        lambda: GOOD.money("name"),
        lambda: GOOD.money("on"),
        lambda: GOOD.money("none"),
        lambda: GOOD.moment("name"),
        lambda: GOOD.inner("list"),
        lambda: GOOD.list("inner"),
        lambda: Fields("A cloud", [1]).text("name"),
        lambda: Fields("A cloud", None).list("machines"),
    ],
)
def test_what_makes_no_sense_is_unclear(read: Callable[[], object]) -> None:
    with pytest.raises(Unclear, match="A cloud"):
        read()
