"""Renews the lease of one machine for as long as somebody wants it to live.

Only what is said in time counts: a machine that cannot be reached ends itself, whatever is tried here meanwhile.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

_T = TypeVar("_T")

Ask = Callable[[dict[str, Any]], Awaitable[Any]]
"""Asks the agent. Raises whatever keeps it from answering."""

_SLICE = 10.0
"""Seconds in which a computer that has slept notices: its timers do not count that time."""


class Clock(Protocol):
    """Counts while this computer sleeps."""

    def now(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class BootClock:
    """The system's, where it has one; else one that stands still in a suspend."""

    def now(self) -> float:
        if hasattr(time, "CLOCK_BOOTTIME"):
            return time.clock_gettime(time.CLOCK_BOOTTIME)
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        end = self.now() + seconds
        while (left := end - self.now()) > 0:  # noqa: ASYNC110 - nothing tells that a suspend is over
            await asyncio.sleep(min(left, _SLICE))


@dataclass(frozen=True, slots=True)
class LeaseNews:
    """What the last attempt to renew has come to."""

    left: float | None
    """Seconds that the machine has, as it said itself then; `None` when it did not."""
    deadline_left: float | None = None
    daemon_alive: bool = False
    is_ending: bool = False
    """It is on its way out, and no renewal holds it any more."""
    problem: str = ""
    """Why it was not renewed, as a sentence; empty when it was."""


class Renewal:
    """One machine's. `run` is its only task; all else returns at once."""

    def __init__(
        self,
        ask: Ask,
        seconds: float,
        *,
        name: str = "",
        told: Callable[[LeaseNews], None] = lambda news: None,
        clock: Clock | None = None,
    ) -> None:
        """`name`: of the machine, which its lease has to bear. `told` is called after each attempt. `seconds` may be
        changed at any time; the next renewal goes by it.
        """
        self._ask = ask
        self._name = name
        self.seconds = seconds
        self.extra = 0.0
        """Seconds by which the deadline was put off, all in all; goes with each renewal."""
        self._told = told
        self._clock = clock or BootClock()
        self._now = asyncio.Event()
        # Unlike those of any other link, and of this one before it was started anew.
        self._serials = (f"{secrets.token_hex(8)}-{number}" for number in itertools.count(1))
        self._end: float | None = None
        self.news: LeaseNews | None = None
        """The latest."""

    async def run(self) -> None:
        """Renew until cancelled: at once, and then every quarter of the lease."""
        while True:
            self._now.clear()
            began = self._clock.now()
            news = self.news = await self._renew()
            if not news.problem and news.left is not None:
                self._end = began + news.left
            self._told(news)
            # What failed is tried again soon; a carrier that comes back asks for that itself.
            pause = self.seconds / (16 if news.problem else 4)
            await self._within(began + pause - self._clock.now(), self._now.wait())

    def renew_now(self) -> None:
        """Called when there is a carrier again, or when `seconds` was changed."""
        self._now.set()

    @property
    def left(self) -> float | None:
        """Seconds that the machine has at least, going by its last word; `None` before the first renewal."""
        return None if self._end is None else max(0.0, self._end - self._clock.now())

    async def _renew(self) -> LeaseNews:
        serial = next(self._serials)
        question = {"do": "lease", "seconds": self.seconds, "serial": serial, "extra": self.extra}
        try:
            answer = await self._within(self.seconds / 4, self._ask(question))
        except Exception as error:
            # Whatever it was: the machine's time runs on, and the next attempt may succeed.
            return LeaseNews(None, problem=str(error) or "The machine cannot be reached.")
        return (
            _news(answer, serial, self._name)
            if answer is not None
            else LeaseNews(None, problem="The machine does not answer.")
        )

    async def _within(self, seconds: float, awaited: Awaitable[_T]) -> _T | None:
        """What it comes to; `None` when it took too long. It never outlives this call."""
        asked = asyncio.ensure_future(awaited)
        timer = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait([asked, timer], return_when=asyncio.FIRST_COMPLETED)
            return asked.result() if asked.done() else None
        finally:
            for each in (asked, timer):
                each.cancel()
            await asyncio.gather(asked, timer, return_exceptions=True)


def _news(answer: Any, serial: str, name: str) -> LeaseNews:
    """The machine is believed no more than it has to be: it says what it likes."""
    said: Mapping[str, Any] = answer if isinstance(answer, dict) else {}
    left, deadline_left = (_seconds(said.get(name)) for name in ("left", "deadline_left"))
    is_alive = said.get("daemon_alive") is True
    is_ending = said.get("phase") == "ending"
    if is_ending:
        problem = "The machine is ending itself, since its lease has run out."
    elif name and said.get("name") != name:
        problem = "The lease there is not the one of this machine: what ends it by itself, and when, is not known."
    elif not is_alive:
        problem = "The program on the machine that keeps its lease does not run: nothing there ends it by itself."
    elif said.get("serial") != serial or left is None:
        problem = "The program on the machine that keeps its lease has not taken up the renewal."
    else:
        problem = ""
    return LeaseNews(left, deadline_left, is_alive, is_ending, problem)


def _seconds(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 <= value < float("inf") else None
