"""What time it is, for all that is about money: it only goes forward, whatever becomes of this computer's clock.

All processes of one start of this computer count from the same moment, which is kept in a file: one that is killed and
followed by another, while somebody sets the clock, would else have let a machine run for days within a second.

After another start nobody knows whether the clock is right now, or was before. The clouds do: each answer of theirs is
dated, bills go by that, and so do we. Until one has been heard nothing is judged by time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum
from pathlib import Path
from typing import Protocol

from jupyter_gpu_bridge import settings
from jupyter_gpu_bridge.files import replace_file
from jupyter_gpu_bridge.providers import dates

log = logging.getLogger(__name__)

_CORRECTION = timedelta(minutes=2)
"""By so much a clock is corrected now and then; what is more is a leap."""
_LONGEST_NAP = 5.0
"""Seconds: the loop's own clock stands still while this computer sleeps."""
_VARIABLE = "JUPYTER_GPU_BRIDGE_CLOCK"
"""`RATE@SECONDS`: since that moment of the epoch time goes so much faster; for tests and demonstrations."""


class Trust(Enum):
    """In the time that this clock tells, as a measure of what was written down before."""

    NONE = "none"
    """It is what this computer shows after another start."""
    WALL = "wall"
    """The same, and the clouds that were asked say nothing of the time."""
    COUNTED = "counted"
    """Nothing was rented when it was read, and since then it was counted."""
    HEARD = "heard"
    """A cloud has said so."""


class Clock(Protocol):
    def now(self) -> datetime:
        """In UTC."""

    def elapsed(self) -> timedelta:
        """For how long something in this process takes; what is now may be corrected meanwhile."""

    @property
    def trust(self) -> Trust: ...

    def believe(self) -> None:
        """A cloud was asked, and if that has not told the time, there is nothing better than what we have."""

    async def sleep(self, time: timedelta) -> None: ...

    def trust_the_wall(self) -> None:
        """While nothing is rented, and so nothing is counted: a clock that was set may have been mended."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the time comes from."""

    wall: Callable[[], datetime]
    """The time of day, which anybody may set."""
    counted: Callable[[], timedelta]
    """Since this computer was started, with the time that it slept; nobody sets that."""
    start: Callable[[], str]
    """Which start of this computer it is."""
    said: Callable[[], tuple[datetime, timedelta] | None] = lambda: None
    """What a cloud has said last, and what was counted then."""
    rate: int = 1
    """How much faster than real time both go."""


def clock_of_environment() -> AnchoredClock:
    """The same in every process of this user."""
    rate, _, since = os.environ.get(_VARIABLE, "").partition("@")
    sources = _quick(int(rate), int(since)) if rate else _OF_THIS_COMPUTER
    return AnchoredClock(settings.data_folder() / "clock.json", sources)


class AnchoredClock:
    """The time of day as it was first read, and from there on by a clock that counts sleep as well."""

    def __init__(self, anchor: Path, sources: Sources) -> None:
        self._anchor = anchor
        self._sources = sources
        self._trust = Trust.NONE
        self._wall, self._counted = self._known() or self._found()

    def now(self) -> datetime:
        self._listen()
        return self._told()

    def elapsed(self) -> timedelta:
        return self._sources.counted()

    @property
    def trust(self) -> Trust:
        self._listen()
        return self._trust

    @property
    def wrong_by(self) -> timedelta:
        """How much this computer's clock is ahead of what clouds have said; nothing worth a word is zero."""
        off = self._sources.wall() - self.now()
        return off if self._trust is Trust.HEARD and self._is_leap(off) else timedelta(0)

    def believe(self) -> None:
        if self.trust is Trust.NONE:
            self._keep(Trust.WALL)

    async def sleep(self, time: timedelta) -> None:
        end = self.elapsed() + time
        while (left := (end - self.elapsed()) / self._sources.rate) > timedelta(0):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(min(left.total_seconds(), _LONGEST_NAP))

    def trust_the_wall(self) -> None:
        if self.trust is not Trust.HEARD:
            if self._is_leap(self._sources.wall() - self._told()):
                self._wall, self._counted = self._sources.wall(), self._sources.counted()
            self._keep(Trust.COUNTED)

    def _told(self) -> datetime:
        return self._wall + (self._sources.counted() - self._counted)

    def _listen(self) -> None:
        """One cloud is believed, once for each start; after that only where this computer's clock says so too."""
        said = self._sources.said()
        if said is None:
            return
        theirs = said[0] + (self._sources.counted() - said[1])
        is_other = self._is_leap(theirs - self._told())
        if self._trust is Trust.HEARD and (not is_other or self._is_leap(theirs - self._sources.wall())):
            return
        if is_other:
            log.warning("a cloud says that it is %s, and not %s: time is counted by that", theirs, self._told())
            self._wall, self._counted = theirs, self._sources.counted()
        self._keep(Trust.HEARD)

    def _known(self) -> tuple[datetime, timedelta] | None:
        """The moment from which others count already, unless the clock has only been corrected since."""
        try:
            kept = json.loads(self._anchor.read_bytes())
            wall, counted = datetime.fromisoformat(kept["wall"]), timedelta(seconds=kept["counted_s"])
            is_of_this_start = kept["start"] == self._sources.start() and wall.tzinfo is not None
            trust = Trust(kept.get("trust", Trust.COUNTED.value))
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            return None
        passed = self._sources.counted() - counted
        if not is_of_this_start or passed < timedelta(0):
            return None
        self._trust = trust
        leapt = self._sources.wall() - (wall + passed)
        if not self._is_leap(leapt):
            return None
        log.warning("this computer's clock was set by %s: time is counted as if it had not been", leapt)
        return wall, counted

    def _found(self) -> tuple[datetime, timedelta]:
        """The time of day, from which all that come later count as well."""
        self._wall, self._counted = self._sources.wall(), self._sources.counted()
        self._keep(self._trust)
        return self._wall, self._counted

    def _keep(self, trust: Trust) -> None:
        self._trust = trust
        kept = {
            "start": self._sources.start(),
            "wall": self._wall.isoformat(),
            "counted_s": self._counted.total_seconds(),
            "trust": trust.value,
        }
        with contextlib.suppress(OSError):  # without it, each process counts from its own start
            self._anchor.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            replace_file(self._anchor, json.dumps(kept).encode())

    def _is_leap(self, off: timedelta) -> bool:
        return abs(off) > _CORRECTION * self._sources.rate


def _start() -> str:
    if sys.platform == "darwin":
        command = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _said() -> tuple[datetime, timedelta] | None:
    """Not what comes from this computer, which goes by the same clock."""
    last = dates.last()
    return None if last is None else (last.at, last.counted)


_OF_THIS_COMPUTER = Sources(_now, dates.counted, _start, _said)


def _quick(rate: int, since: int) -> Sources:
    began = datetime.fromtimestamp(since, timezone.utc)

    def said() -> tuple[datetime, timedelta] | None:
        """The sandbox's clock goes as quickly."""
        last = dates.last(here=True)
        return None if last is None or last.by != "sandbox" else (last.at, last.counted * rate)

    return Sources(lambda: began + (_now() - began) * rate, lambda: dates.counted() * rate, _start, said, rate)
