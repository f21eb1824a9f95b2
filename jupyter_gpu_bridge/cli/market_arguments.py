"""What can be written after `jupyter gpu` about what can be rented."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

Add = Callable[[Any, str, str], argparse.ArgumentParser]

_USUAL_DAYS, _MOST_DAYS = 30, 400


def add_market_nouns(nouns: Any, add: Add) -> None:
    history = add(nouns, "history", "how the prices of a GPU have moved, and when it could be had")
    history.add_argument("gpu", metavar="MODEL", nargs="+", help="for example A100, in any variant, or RTX 4090")
    history.add_argument("--provider", metavar="NAME", help="there only; `sandbox` pretends")
    days = f"of the last N days, {_USUAL_DAYS} without it, {_MOST_DAYS} at most"
    history.add_argument("--days", type=_days, default=_USUAL_DAYS, metavar="N", help=days)
    history.add_argument("--csv", action="store_true", help="each change, as a table for other programs")
    market = add(nouns, "market", "how much is offered of each GPU now, by whom, and what it costs")
    market.add_argument("--provider", metavar="NAME", help="there only; `sandbox` pretends")


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 5 and 1 <= int(text) <= _MOST_DAYS):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days from 1 to {_MOST_DAYS}")
    return int(text)
