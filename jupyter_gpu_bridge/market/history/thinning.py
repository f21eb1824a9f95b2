"""Which of what was written down may go: the older, the coarser. So what is kept is bounded, however often one looks.

Of a model at a provider there are all changes of the last day; the last one of each hour for five weeks; the last one
of each day for 400 days. A model that comes and goes is told apart from one that is not there: for these five weeks
its comings and goings are kept as well, unless they follow each other within five minutes. What is older is gone, but
for what is so ever since. That makes at most 1,200 rows of what is older than a day, where comings and goings never
cease 11,000; a row has about 100 bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from jupyter_gpu_bridge.market.history.past import Span

KEPT = timedelta(days=400)
WHOLE = timedelta(days=1)
"""Nothing of what is younger goes."""
_HOURS_OF = timedelta(days=35)
_COMES_AND_GOES = timedelta(minutes=5)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_Grade = tuple[timedelta, int]
_OLD: _Grade = (KEPT, 0)


@dataclass(frozen=True, slots=True)
class Told:
    """All that matters of a change: when it was, and whether there was any offer from then on."""

    at: datetime
    is_offered: bool


def superfluous(told: Sequence[Told], now: datetime) -> Sequence[datetime]:
    """Of one model; `told`: all that is older than a day, the earliest first. Of what is left, nothing is superfluous.

    What is older than all that is kept may go even where it is the last of its time, if it says that there was no
    offer: before its first change a model was not offered anyway.
    """
    gone: list[datetime] = []
    kept: Told | None = None
    grades = [_grade(each.at, now) for each in told]
    for number, (each, grade) in enumerate(zip(told, grades, strict=True)):
        is_last = number + 1 == len(told) or grades[number + 1] != grade
        if grade == _OLD:
            is_kept = is_last and each.is_offered
        else:
            is_kept = is_last or (grade[0] == _HOUR and _comes_or_goes(kept, each))
        if is_kept:
            kept = each
        else:
            gone.append(each.at)
    return gone


def is_over(look: Span, now: datetime) -> bool:
    return now - look.until > KEPT


def _comes_or_goes(kept: Told | None, each: Told) -> bool:
    if kept is None:
        return each.is_offered
    return kept.is_offered != each.is_offered and each.at - kept.at >= _COMES_AND_GOES


def _grade(at: datetime, now: datetime) -> _Grade:
    """The stretch of time of which the last change is enough."""
    age = now - at
    if age > KEPT:
        return _OLD
    length = _HOUR if age <= _HOURS_OF else _DAY
    return length, (at - _EPOCH) // length
