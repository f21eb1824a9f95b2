"""`jupyter gpu history` and `market`, with what was really written down, and the real pretend cloud."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from jupyter_gpu_bridge.cli.chart import FINE, PLAIN, letters, line
from jupyter_gpu_bridge.market.history import Column, record
from jupyter_gpu_bridge.model import Money
from tests.cli.calls import Call
from tests.market.history.offered import HOUR, offer
from tests.processes import end_processes, living_below


@pytest.fixture
def past(own_home: Path) -> datetime:
    """Two days of looking each hour, until now."""
    now = datetime.now(timezone.utc)
    for hours in range(48, -1, -1):
        price = "2.00" if hours > 12 else "3.00"
        vast = [offer(price, count=2), offer("1.00", "=cmd()")] if hours != 24 else []
        assert record("vast", vast, now - hours * HOUR) == ""
        assert record("sandbox", [offer("0.10", is_pretend=True)], now - hours * HOUR) == ""
    return now


def test_a_history_is_a_line_for_each_who_sells_it(call: Call, past: datetime) -> None:
    answer = call("history", "h100", "--days", "2")
    assert answer.status == 0
    titles, row = answer.out.splitlines()
    assert titles.split("  ")[0] == "PROVIDER"
    assert row.split()[:13] == [
        "vast", "H100", "SXM", "on", "demand", "$1.50", "12", "h", "ago", "$1.00", "$1.00", "$1.00", "$1.00",
    ]  # fmt: skip
    assert "+50.0 %  98%" in row
    assert set(row.split("98%")[1].strip()) == {"▁", "█"}
    assert "Of one GPU for an hour" in answer.err


def test_a_model_of_several_words_needs_no_quotes(call: Call, past: datetime) -> None:
    assert call("history", "H100", "SXM", "--days", "2").out == call("history", "H100 SXM", "--days", "2").out
    nothing = call("history", "RTX", "4090", "--provider", "vast")
    assert (nothing.status, nothing.out.splitlines()[0]) == (0, "Nothing is known yet of what RTX 4090 cost at vast.")


def test_programs_read_exact_money_and_every_change(call: Call, past: datetime) -> None:
    (sold,) = call("history", "h100", "--json").data["sold"]
    assert [point["low"] for point in sold["points"]] == ["1.000000", None, "1.000000", "1.500000"]
    assert (sold["now"]["low"], sold["now"]["looked"]) == ("1.500000", past.isoformat())
    week = sold["trends"][0]
    assert (week["days"], week["low"], week["change"], week["availability"]) == (7, "1.000000", "50.0", "0.9792")
    header, *rows = csv.reader(io.StringIO(call("history", "h100", "--csv").out))
    assert header[:4] == ["provider", "gpu", "is_spot", "at"]
    assert [row[5] for row in rows] == ["1.000000", "", "1.000000", "1.500000"]


def test_a_spreadsheet_calculates_nothing(call: Call, past: datetime) -> None:
    (_, row, *_rest) = csv.reader(io.StringIO(call("history", "=cmd()", "--csv").out))
    assert row[1] == "'=cmd()"


def test_a_pretence_is_for_those_who_name_it(call: Call, own_home: Path) -> None:
    record("sandbox", [offer("0.10", "Pretend T4 16 GB", is_pretend=True)], datetime.now(timezone.utc))
    hidden = call("history", "Pretend T4 16 GB").out
    assert "There is a pretence of it: --provider sandbox" in hidden
    assert "on demand, pretend" in call("history", "Pretend T4 16 GB", "--provider", "sandbox").out


def test_where_nothing_is_known_it_says_what_makes_it_known(call: Call) -> None:
    answer = call("history", "A100", "--provider", "vast")
    assert (answer.status, answer.err) == (0, "")
    assert "Nothing is known yet of what A100 80GB SXM or " in answer.out
    assert "jupyter gpu market" in answer.out
    assert call("history", "A100", "--json").data["sold"] == []


def test_what_nobody_knows_is_refused_with_what_is_near(call: Call) -> None:
    answer = call("history", "RTX 4900")
    assert (answer.status, "Did you mean RTX 4090 or" in answer.err) == (1, True)
    answer = call("history", "h100", "--provider", "runpot")
    assert (answer.status, "Did you mean 'runpod'?" in answer.err) == (1, True)
    for days in ("0", "401", "x", "99999999"):
        assert call("history", "h100", "--days", days).status == 2


def test_an_old_price_says_how_old_it_is(call: Call, own_home: Path) -> None:
    record("vast", [offer("2.00")], datetime.now(timezone.utc) - timedelta(days=3))
    assert "$2.00 (3 d ago)" in call("history", "h100").out


def test_a_line_is_drawn_with_what_the_terminal_can_show(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = [Column(False), Column(True), *(Column(True, Money(price)) for price in (0, 50, 100))]
    assert line(drawn, FINE) == " ·▁▄█"
    assert line(drawn, PLAIN) == " ,_~#"
    assert line([Column(True, Money(5))] * 2 + [Column(True)], FINE) == "▅▅·"
    assert line([Column(True), Column(False)], PLAIN) == ", "
    with io.TextIOWrapper(io.BytesIO(), encoding="ascii") as old:
        monkeypatch.setattr(sys, "stdout", old)
        assert letters() == PLAIN
    with io.TextIOWrapper(io.BytesIO(), encoding="utf-8") as new:
        monkeypatch.setattr(sys, "stdout", new)
        assert letters() == FINE


@pytest.fixture
def sandbox(own_home: Path) -> Iterator[None]:
    """Ends the one that a command has started."""
    yield
    end_processes(living_below(own_home.parent))


@pytest.mark.usefixtures("sandbox")
def test_the_market_is_counted_by_model_and_by_provider(call: Call) -> None:
    answer = call("market", "--provider", "sandbox")
    assert answer.status == 0
    assert "MODEL" in answer.out
    assert "12 offers of 5 models by 1 provider; one GPU costs $" in answer.out
    data = call("market", "--provider", "sandbox", "--json").data
    assert (data["total"]["offers"], data["total"]["models"], data["silent"]) == (12, 5, [])
    assert {"Pretend T4 16 GB"} < {model["gpu"] for model in data["models"]}
    assert [(each["provider"], each["pretend"]) for each in data["providers"]] == [("sandbox", True)]


def test_a_market_without_a_provider_says_what_to_do(call: Call) -> None:
    answer = call("market")
    assert (answer.status, "No provider is set up." in answer.err) == (1, True)
    answer = call("market", "--provider", "sandbix")
    assert (answer.status, "Did you mean 'sandbox'?" in answer.err) == (1, True)
