from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.model import Money, clouds, market, money, rentals
from jupyter_gpu_bridge.rentals import costs
from jupyter_gpu_bridge.rentals.ledger import limits

_prices = st.builds(Money, st.integers(min_value=0, max_value=10**12))
_sums = st.builds(Money, st.integers(min_value=-(2**63), max_value=2**63 - 1))
_times = st.timedeltas(min_value=timedelta(), max_value=timedelta(days=4000))


@given(_sums)
def test_what_is_shown_is_read_back_exactly(sum_: Money) -> None:
    assert Money.parse(str(sum_)) == sum_


@given(_prices, st.lists(_times, min_size=1, max_size=20))
def test_parts_of_a_time_never_cost_less_than_the_whole(price: Money, parts: list[timedelta]) -> None:
    whole = price.during(sum(parts, timedelta()))
    together = sum((price.during(part) for part in parts), Money())
    assert whole <= together <= whole + Money(len(parts) - 1)


@given(_prices, _times)
def test_a_price_is_never_rounded_down_nor_up_by_more_than_a_part(price: Money, time: timedelta) -> None:
    exact = Decimal(price.micros) * Decimal(time // timedelta(microseconds=1)) / Decimal(3_600_000_000)
    assert exact <= price.during(time).micros < exact + 1


@given(st.builds(Money, st.integers(0, 10**10)), st.builds(Money, st.integers(1, 10**12)))
def test_a_sum_lasts_to_the_last_moment_and_no_longer(sum_: Money, price: Money) -> None:
    time = sum_.lasts(price)
    assert price.during(time) <= sum_ < price.during(time + timedelta(microseconds=1))


def test_for_nothing_it_lasts_for_ever() -> None:
    assert Money(1).lasts(Money()) == timedelta.max
    assert Money(2**63).lasts(Money(1)) == timedelta.max


@pytest.mark.parametrize(
    ("text", "micros", "shown", "cents"),
    [
        ("1.2", 1_200_000, "$1.20", "$1.20"),
        ("$0.0004", 400, "$0.0004", "$0.00"),
        (" 3 ", 3_000_000, "$3.00", "$3.00"),
        ("-0.005", -5_000, "-$0.005", "$0.00"),
        ("-$1.239", -1_239_000, "-$1.239", "-$1.24"),
        ("0.0000015", 2, "$0.000002", "$0.00"),
        ("1e3", 10**9, "$1000.00", "$1000.00"),
    ],
)
def test_dollars_are_read_and_shown(text: str, micros: int, shown: str, cents: str) -> None:
    assert Money.parse(text) == Money(micros)
    assert str(Money(micros)) == shown
    assert Money(micros).cents() == cents


@pytest.mark.parametrize("text", ["", "$", "one", "1,5", "NaN", "Infinity", "$$1", "--1", "-$-1"])
def test_what_is_no_sum_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="no sum of money"):
        Money.parse(text)


_MEASURED = ("Offer.reliability", "Offer.benchmark")
"""No sums: what a provider has measured, which is as exact as that."""


def test_a_float_is_refused_everywhere() -> None:
    for wrong in (1.5, True, "1"):
        with pytest.raises(TypeError):
            Money(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Money.parse(0.1)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Money(1) * 0.5  # type: ignore[operator]


@pytest.mark.parametrize("module", [money, market, clouds, rentals, costs, limits], ids=lambda module: module.__name__)
def test_no_type_that_holds_money_knows_floats(module: ModuleType) -> None:
    hints = list(_hints(module))
    assert hints
    for where, hint in hints:
        assert where.replace("__init__: ", "") in _MEASURED or float not in _atoms(hint), where


def _hints(module: ModuleType) -> Iterator[tuple[str, object]]:
    for name, found in inspect.getmembers(module):
        if getattr(found, "__module__", None) != module.__name__:
            continue
        if dataclasses.is_dataclass(found):
            yield from ((f"{name}.{field}", hint) for field, hint in typing.get_type_hints(found).items())
        functions = inspect.getmembers(found, inspect.isfunction) if inspect.isclass(found) else [(name, found)]
        for function_name, function in functions:
            if inspect.isfunction(function) and function.__module__ == module.__name__:
                hints = typing.get_type_hints(function, localns={"Sequence": typing.Sequence})
                yield from ((f"{name}.{function_name}: {field}", hint) for field, hint in hints.items())


def _atoms(hint: object) -> set[object]:
    parts = typing.get_args(hint)
    return {hint} if not parts else set().union(*(_atoms(part) for part in parts))


@pytest.mark.parametrize(("micros", "text"), [(2_450, "$0.01"), (10_000, "$0.01"), (4_000_001, "$4.01"), (0, "$0.00")])
def test_the_most_that_something_can_cost_is_never_rounded_down(micros: int, text: str) -> None:
    assert Money(micros).cents_at_most() == text
