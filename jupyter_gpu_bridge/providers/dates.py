"""What time it is, as clouds say with each answer: this computer's own clock may be wrong, and bills go by theirs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

_CORRECTION = timedelta(minutes=2)
"""Less is the way of the answer, and the second to which such dates are told."""


@dataclass(frozen=True, slots=True)
class Said:
    at: datetime
    counted: timedelta
    """By `counted()`, when it came."""
    by: str
    """The name of its provider."""
    is_here: bool
    """It came from this computer, whose clock it is then."""


_last: dict[bool, Said] = {}


def counted() -> timedelta:
    """Since this computer was started, with the time that it slept; nobody sets that."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # the latter counts sleep on macOS
    return timedelta(microseconds=time.clock_gettime_ns(clock) // 1000)


def note(headers: Mapping[str, str], by: str, *, is_here: bool) -> None:
    """Called with each answer, whatever it says."""
    at = date(headers.get("Date", ""))
    if at is not None:
        _last[is_here] = Said(at, counted(), by, is_here)


def last(*, here: bool = False) -> Said | None:
    return _last.get(here)


def forget() -> None:
    """As in a new process."""
    _last.clear()


def now() -> datetime:
    """As the clouds say it, where that is another time; for what they are told to do at a time."""
    wall, said = datetime.now(timezone.utc), last()
    if said is None:
        return wall
    theirs = said.at + (counted() - said.counted)
    return theirs if abs(theirs - wall) > _CORRECTION else wall


def date(said: str) -> datetime | None:
    """As a header has it."""
    try:
        found = parsedate_to_datetime(said)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)
