"""The page that says which test shows what we do in each case of failure names only tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PAGE = REPOSITORY / "docs" / "develop" / "failure-table.md"
ROWS = [
    line
    for line in PAGE.read_text().splitlines()
    if line.startswith("| ") and not line.startswith(("| case |", "| what |"))
]


def test_the_table_has_all_cases() -> None:
    assert len(ROWS) >= 24 + 6


@pytest.mark.parametrize("row", ROWS, ids=[row.split("|")[1].strip() for row in ROWS])
def test_each_case_names_tests_that_there_are(row: str) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
    assert named
    assert len(named) == row.count("::")
    for path, name in named:
        assert re.search(rf"^(async )?def {name}\(", (REPOSITORY / path).read_text(), re.MULTILINE), f"{path}::{name}"
