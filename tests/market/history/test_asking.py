"""What is answered to somebody who asks for the past of a GPU, in either database."""

from __future__ import annotations

from decimal import Decimal

import pytest

from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.market.history import Column, PriceHistory, Span, columns, price_history, record
from jupyter_gpu_bridge.model import Money
from tests.market.history.offered import DAY, HOUR, NOON, offer


def sold(history: PriceHistory) -> list[tuple[str, str, bool, str]]:
    return [(each.provider, each.gpu, each.is_spot, str(each.now.prices.low)) for each in history.sold]


def test_a_family_is_each_of_its_variants_at_each_provider_the_cheapest_now_first(url: str) -> None:
    record("vast", [offer("2.50"), offer("1.00", is_spot=True), offer("0.30", "RTX 4090")], NOON)
    record("runpod", [offer("2.00", "H100 PCIe", count=2)], NOON)
    record("lambda", [offer("3.00", "H100 NVL")], NOON)
    record("lambda", [], NOON + HOUR)
    history = price_history("h100", None, 30, NOON + HOUR)
    assert sold(history) == [
        ("runpod", "H100 PCIe", False, "$1.00"),
        ("vast", "H100 SXM", True, "$1.00"),
        ("vast", "H100 SXM", False, "$2.50"),
        ("lambda", "H100 NVL", False, "None"),
    ]
    assert sold(price_history("H100-SXM", "vast", 30, NOON + HOUR)) == sold(history)[1:3]


def test_a_name_of_nobodys_catalogue_is_found_as_it_was_offered(url: str) -> None:
    record("vast", [offer("2.50", "Rubin X1")], NOON)
    assert sold(price_history("rubin x1", None, 30, NOON)) == [("vast", "Rubin X1", False, "$2.50")]


@pytest.mark.parametrize(("name", "advice"), [("RTX 4900", "Did you mean RTX 4090 or"), ("zzz", "jupyter gpu models")])
def test_a_name_that_nobody_has_is_answered_with_those_near_it(url: str, name: str, advice: str) -> None:
    with pytest.raises(BadRequest, match="is no GPU that is known") as refused:
        price_history(name, None, 30, NOON)
    assert advice in str(refused.value)


def test_a_provider_that_is_gone_still_has_its_past_and_one_that_never_was_is_refused(url: str) -> None:
    record("bankrupt", [offer("2.50")], NOON)
    assert len(price_history("h100", "bankrupt", 30, NOON).sold) == 1
    with pytest.raises(BadRequest, match=r"There is no provider 'runpot'\. Did you mean 'runpod'\?"):
        price_history("h100", "runpot", 30, NOON)


@pytest.mark.parametrize("days", [0, -1, 401])
def test_days_that_are_not_kept_are_refused(url: str, days: int) -> None:
    with pytest.raises(BadRequest, match="Ask for 1 to 400"):
        price_history("h100", None, days, NOON)


def test_a_pretence_is_shown_to_those_who_name_its_cloud(url: str) -> None:
    record("sandbox", [offer("0.10", provider="sandbox", is_pretend=True)], NOON)
    record("sandbox", [], NOON + HOUR)
    hidden = price_history("h100", None, 30, NOON + HOUR)
    assert (hidden.sold, hidden.left_out) == ([], ["sandbox"])
    (shown,) = price_history("h100", "sandbox", 30, NOON + HOUR).sold
    assert (shown.is_pretend, shown.week.low) == (True, Money.parse("0.10"))


def test_how_it_was_when_the_days_began_is_known_from_what_was_written_before(url: str) -> None:
    for day, price in ((50, "9.00"), (40, "4.00"), (5, "3.00")):
        record("vast", [offer(price)], NOON - day * DAY)
    (found,) = price_history("h100", None, 7, NOON).sold
    assert [str(point.prices.low) for point in found.points] == ["$4.00", "$3.00"]
    assert found.known == [Span(NOON - 5 * DAY, NOON - 5 * DAY + HOUR)]
    assert (found.week.low, found.week.known, found.week.change) == (Money.parse("3"), HOUR, Decimal("0.0"))
    assert (found.now.since, found.now.looked) == (NOON - 5 * DAY, NOON - 5 * DAY)


def test_when_somebody_looked_last_is_told_however_long_ago(url: str) -> None:
    record("vast", [offer("2.00")], NOON - 90 * DAY)
    (found,) = price_history("h100", None, 7, NOON).sold
    assert (found.now.looked, str(found.now.prices.low)) == (NOON - 90 * DAY, "$2.00")
    assert (found.month.low, found.month.availability) == (None, None)


def test_what_a_clock_wrote_that_was_ahead_is_not_told(url: str) -> None:
    record("vast", [offer("2.00")], NOON)
    record("vast", [offer("7.00")], NOON + 30 * DAY)
    assert sold(price_history("h100", None, 7, NOON + DAY)) == [("vast", "H100 SXM", False, "$2.00")]


def test_a_drawing_has_the_lowest_price_of_each_step_and_leaves_out_what_nobody_knows(url: str) -> None:
    for hours, prices in ((20, ["2.00"]), (15, ["3.00"]), (14, []), (10, ["4.00"])):
        record("vast", [offer(price) for price in prices], NOON - hours * HOUR)
        record("vast", [offer(price) for price in prices], NOON - (hours - 1) * HOUR)
    (found,) = price_history("h100", None, 1, NOON).sold
    drawn = columns(found, Span(NOON - 24 * HOUR, NOON), 24)
    two, three, four, away, never = (
        Column(True, Money.parse("2")), Column(True, Money.parse("3")), Column(True, Money.parse("4")),
        Column(True), Column(False),
    )  # fmt: skip
    assert (
        drawn == [never] * 4 + [two] * 2 + [never] * 3 + [three] * 2 + [away] + [never] * 2 + [four] * 2 + [never] * 8
    )
    assert columns(found, Span(NOON - 24 * HOUR, NOON), 1) == [two]
    assert found.month.known == 7 * HOUR
