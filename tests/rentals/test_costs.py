from __future__ import annotations

import csv
import io
import json

import pytest

from jupyter_gpu_bridge.model import Money
from jupyter_gpu_bridge.rentals.costs import CostRow, as_csv, as_json

ROWS = [
    CostRow("abc1", "2 x RTX 4090", "vast", 1, Money(1_234_567)),
    CostRow("abc2", '=HYPERLINK("http://evil")', "vast, inc", 1, Money(1), is_pretend=True),
]


def test_a_spreadsheet_reads_exact_sums_and_calculates_nothing() -> None:
    header, *rows = csv.reader(io.StringIO(as_csv(ROWS)))
    assert header == ["of", "title", "provider", "rentals", "cost", "currency", "is_pretend"]
    assert rows == [
        ["abc1", "2 x RTX 4090", "vast", "1", "1.234567", "USD", "no"],
        ["abc2", '\'=HYPERLINK("http://evil")', "vast, inc", "1", "0.000001", "USD", "yes"],
    ]


def test_a_program_reads_exact_sums() -> None:
    found = json.loads(as_json(ROWS), parse_float=lambda text: pytest.fail(f"{text} is a float"))
    assert [(row["of"], row["cost"], row["is_pretend"]) for row in found] == [
        ("abc1", "1.234567", False),
        ("abc2", "0.000001", True),
    ]
    assert json.loads(as_json([])) == []


@pytest.mark.parametrize(
    ("micros", "text"), [(0, "0.000000"), (-1, "-0.000001"), (10**15 + 1, "1000000000.000001"), (2**63 - 1, None)]
)
def test_every_place_is_written(micros: int, text: str | None) -> None:
    assert Money(micros).exact() == (text or "9223372036854.775807")
    assert Money.parse(Money(micros).exact()) == Money(micros)
