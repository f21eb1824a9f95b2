"""What was spent, as rows, and as files for other programs: every sum is exact text, in dollars."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.model import Money

CostsBy = Literal["rental", "provider", "day"]

_COLUMNS = ("of", "title", "provider", "rentals", "cost", "currency", "is_pretend")


@dataclass(frozen=True, slots=True)
class CostRow:
    """One sum. Of the sandbox's money there are rows of its own."""

    of: str
    """The id of a rental, a provider, or a day of UTC as `YYYY-MM-DD`."""
    title: str
    """For a rental, what was rented."""
    provider: str
    rentals: int
    cost: Money
    is_pretend: bool = False


def as_csv(rows: Iterable[CostRow]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows([plain.cell(cell) for cell in _cells(row).values()] for row in rows)
    return text.getvalue()


def as_json(rows: Iterable[CostRow]) -> str:
    return json.dumps([_cells(row) for row in rows], indent=1) + "\n"


def _cells(row: CostRow) -> dict[str, str | int | bool]:
    cells = (row.of, row.title, row.provider, row.rentals, row.cost.exact(), "USD", row.is_pretend)
    return dict(zip(_COLUMNS, cells, strict=True))
