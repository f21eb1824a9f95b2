"""A price of so many days in one line of letters."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jupyter_gpu_bridge.model import Money

if TYPE_CHECKING:
    from jupyter_gpu_bridge.market.history import Column


@dataclass(frozen=True, slots=True)
class Letters:
    levels: str
    """The lowest price first."""
    away: str
    """It was not offered."""


FINE, PLAIN = Letters("▁▂▃▄▅▆▇█", "·"), Letters("_.-~=+*#", ",")


def letters() -> Letters:
    """Those that whatever our answer goes to can show."""
    try:
        f"{FINE.levels}{FINE.away}".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return PLAIN
    return FINE


def line(columns: Sequence[Column], of: Letters) -> str:
    """One letter for each; a space where nobody knows. A price that never changed stands in the middle."""
    lows = [column.low for column in columns if column.low is not None]
    if not lows:
        return "".join(of.away if column.is_known else " " for column in columns)
    low, range_ = min(lows), max(lows) - min(lows)
    return "".join(
        of.levels[_level(column.low - low, range_, len(of.levels))]
        if column.low is not None
        else of.away
        if column.is_known
        else " "
        for column in columns
    )


def _level(above: Money, range_: Money, count: int) -> int:
    return above.micros * (count - 1) // range_.micros if range_ else count // 2
