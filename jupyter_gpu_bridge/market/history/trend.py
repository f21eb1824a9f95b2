"""How a price has moved, by time: one that held six days weighs six days, however often it was looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from jupyter_gpu_bridge.market.history.past import NOT_OFFERED, Piece, Point, Span, known, pieces
from jupyter_gpu_bridge.market.history.snapshot import Prices
from jupyter_gpu_bridge.model import Money

_NONE = timedelta()
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Trend:
    """Of what the cheapest offer cost, for one GPU and an hour, within so many days."""

    days: int
    low: Money | None
    """Nothing, as all prices here, where it was not offered as far as is known."""
    median: Money | None
    """For half of the time that it was offered it cost as much or less."""
    change: Decimal | None
    """In percent, from the first price within these days to the present one; nothing when it is not offered now."""
    known: timedelta
    """How much of these days anybody's looking covers."""
    offered: timedelta
    """How much of that it was offered."""

    @property
    def availability(self) -> Decimal | None:
        """The share of the known time in which it was offered: between 0 and 1."""
        if not self.known:
            return None
        return _rounded(Decimal(self.offered // _INSTANT) / Decimal(self.known // _INSTANT), "0.0001")


@dataclass(frozen=True, slots=True)
class Present:
    """As it was when somebody looked last."""

    prices: Prices
    since: datetime | None
    """The lowest price has been so since then; where there is no offer, there has been none. Nothing: never seen."""
    looked: datetime | None
    """When somebody looked last; nothing: never."""


def trend(points: Sequence[Point], looks: Iterable[Span], days: int, now: datetime) -> Trend:
    """Both in order of time, and with what was so when these days began."""
    seen = list(pieces(points, known(looks, Span(now - timedelta(days=days), now))))
    offered = [piece for piece in seen if piece.prices.offers]
    return Trend(
        days,
        min((low for piece in offered if (low := piece.prices.low) is not None), default=None),
        _median(offered),
        _change(offered[0], seen[-1]) if offered else None,
        sum((piece.span.length for piece in seen), _NONE),
        sum((piece.span.length for piece in offered), _NONE),
    )


def present(points: Sequence[Point], looks: Sequence[Span]) -> Present:
    if not points:
        return Present(NOT_OFFERED, None, looks[-1].until if looks else None)
    last = points[-1]
    since = last.at
    for point in reversed(points[:-1]):
        if point.prices.low != last.prices.low:
            break
        since = point.at
    return Present(last.prices, since, looks[-1].until if looks else None)


def _median(offered: Sequence[Piece]) -> Money | None:
    """The lowest price that was not exceeded for half of the time; one that was only just seen weighs nothing yet."""
    weighed = sorted((low, piece.span.length) for piece in offered if (low := piece.prices.low) is not None)
    half, passed = sum((length for _, length in weighed), _NONE), _NONE
    for low, length in weighed:
        passed += length
        if 2 * passed >= half:
            return low
    return None


def _change(first: Piece, last: Piece) -> Decimal | None:
    before, after = first.prices.low, last.prices.low
    if not before or after is None:
        return None
    return _rounded(Decimal(100 * (after.micros - before.micros)) / before.micros, "0.1")


def _rounded(value: Decimal, to: str) -> Decimal:
    return value.quantize(Decimal(to), ROUND_HALF_EVEN)
