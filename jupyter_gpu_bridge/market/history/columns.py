"""The past of a price in so many equal steps, to be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jupyter_gpu_bridge.market.history.asking import SoldBy
from jupyter_gpu_bridge.market.history.past import Span, pieces
from jupyter_gpu_bridge.model import Money


@dataclass(frozen=True, slots=True)
class Column:
    is_known: bool
    """Whether anybody looked then."""
    low: Money | None = None
    """The lowest price of that time; nothing: it was not offered."""


def columns(sold: SoldBy, window: Span, count: int) -> Sequence[Column]:
    """The earliest first; the last one ends with the window."""
    drawn = [Column(False)] * count
    for piece in pieces(sold.points, sold.known):
        low = piece.prices.low
        first = (piece.span.since - window.since) * count // window.length
        last = -((window.since - piece.span.until) * count // window.length) - 1
        for number in range(min(first, count - 1), min(max(first, last), count - 1) + 1):
            before = drawn[number].low
            drawn[number] = Column(True, low if before is None or (low is not None and low < before) else before)
    return drawn
