"""Which of what was written down may go: the older, the coarser. So what is kept is bounded, however often one looks.

Of a model at a provider there are all changes of the last day; the last one of each hour for five weeks; the last one
of each day for 400 days. A model that comes and goes is told apart from one that is not there: for these five weeks
its comings and goings are kept as well, unless they follow each other within five minutes. What is older is gone, but
for what is so ever since. That makes at most 1,200 changes and as many comings and goings as there were, and where
these never cease 11,000 (a row has about 100 bytes).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from jupyter_gpu_bridge.market.history.past import Point, Span

KEPT = timedelta(days=400)
_ALL_OF = timedelta(days=1)
_HOURS_OF = timedelta(days=35)
_COMES_AND_GOES = timedelta(minutes=5)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


def superfluous(points: Sequence[Point], now: datetime) -> Sequence[Point]:
    """Of one model; `points`: all of it, the earliest first. Of what is left, nothing more is superfluous."""
    gone: list[Point] = []
    kept: Point | None = None
    for number, point in enumerate(points):
        grade = _grade(point, now)
        if grade is None:
            break
        after = points[number + 1] if number + 1 < len(points) else None
        is_last = after is None or _grade(after, now) != grade
        if grade == _OLD:
            is_kept = is_last and bool(point.prices.offers)  # before its first point a model was not offered anyway
        else:
            is_kept = is_last or (grade[0] == _HOUR and _comes_or_goes(kept, point))
        if is_kept:
            kept = point
        else:
            gone.append(point)
    return gone


def is_over(look: Span, now: datetime) -> bool:
    return now - look.until > KEPT


def _comes_or_goes(kept: Point | None, point: Point) -> bool:
    if kept is None:
        return bool(point.prices.offers)
    return bool(kept.prices.offers) != bool(point.prices.offers) and point.at - kept.at >= _COMES_AND_GOES


_OLD = (KEPT, 0)


def _grade(point: Point, now: datetime) -> tuple[timedelta, int] | None:
    """The stretch of time of which the last change is enough; `None` where all of them are kept."""
    age = now - point.at
    if age < _ALL_OF:
        return None
    if age > KEPT:
        return _OLD
    length = _HOUR if age <= _HOURS_OF else _DAY
    return length, (point.at - _EPOCH) // length
