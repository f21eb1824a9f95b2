"""Remembers answers for a while that grows as long as they stay the same, and asks once for all who want to know.

Counts on a clock that nobody sets. An answer that is older than it should be is still given when the provider does not
answer, and says so. All event loops of this process share what is remembered; each asks by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from jupyter_gpu_bridge.errors import Unclear

V = TypeVar("V")
Clock = Callable[[], float]

_RECENT = 20
_GROWTH = 1.5
_MOST_JITTER = 0.1
_STALE_FOR = 3600.0
"""Seconds; what is older than that is nobody's answer any more."""


@dataclass(frozen=True, slots=True)
class CacheRules:
    is_on: bool = True
    first: float = 30.0
    most: float = 300.0
    least: float = 10.0

    def ttl(self, success_rate: float, steady: float) -> float:
        """Seconds. `steady`: what it has grown to while answers stayed the same."""
        if success_rate > 0.9:
            wanted = steady
        elif success_rate >= 0.7:
            wanted = 45.0
        elif success_rate >= 0.5:
            wanted = 30.0
        else:
            wanted = self.least
        return min(self.most, max(self.least, wanted))


@dataclass(frozen=True, slots=True)
class Kept(Generic[V]):
    value: V
    age: float
    """Seconds since it was answered."""
    is_stale: bool = False
    """It should have been asked for again, and there was no answer."""


@dataclass(slots=True)
class Figures:
    """Of one provider."""

    hits: int = 0
    """Who did not have to ask."""
    misses: int = 0
    went_well: deque[bool] = field(default_factory=lambda: deque(maxlen=_RECENT))
    turn: int = 0
    """Another one with each time that everything was forgotten."""
    ttl: float | None = None
    """Of the last answer."""

    @property
    def success_rate(self) -> float:
        return sum(self.went_well) / len(self.went_well) if self.went_well else 1.0


@dataclass(slots=True)
class _Entry(Generic[V]):
    value: V
    essence: object
    answered: float
    steady: float
    expires: float
    is_stale: bool = False


@dataclass(slots=True)
class _Flight(Generic[V]):
    task: asyncio.Future[Kept[V]]
    waiting: int = 0


Key = tuple[str, Hashable]
"""The provider, and what was asked."""


class AdaptiveCache(Generic[V]):
    def __init__(
        self,
        rules: Callable[[], CacheRules] = CacheRules,
        *,
        essence: Callable[[V], object] = lambda value: value,
        size: int = 64,
        clock: Clock = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`essence`: what of an answer has to stay the same."""
        self._rules = rules
        self._essence = essence
        self._size = size
        self._clock = clock
        self._chance = chance
        self._lock = threading.RLock()
        self._entries: OrderedDict[Key, _Entry[V]] = OrderedDict()
        self._flights: dict[tuple[asyncio.AbstractEventLoop, Key], _Flight[V]] = {}
        self._figures: dict[str, Figures] = {}

    async def get(self, key: Key, ask: Callable[[], Awaitable[V]]) -> Kept[V]:
        """Raises what `ask` raises, unless it is `Unclear` and there is an older answer."""
        if not self._rules().is_on:
            return Kept(await ask(), 0.0)
        figures, where = self.figures(key[0]), (asyncio.get_running_loop(), key)
        with self._lock:
            kept = self._fresh(key)
            if kept is not None:
                figures.hits += 1
                return kept
            flight = self._flights.get(where)
            if flight is None:
                figures.misses += 1
                flight = self._flights[where] = _Flight(asyncio.ensure_future(self._asked(key, ask, figures.turn)))
            else:
                figures.hits += 1
            flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                with self._lock:
                    if self._flights.get(where) is flight:
                        del self._flights[where]
                await _ended(flight.task)

    def older(self, key: Key) -> Kept[V] | None:
        """What there is until `get` has another one; nothing where `get` need not ask, or would not give it either."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or not self._rules().is_on or self._fresh(key) is not None or self._is_over(entry):
                return None
            return Kept(entry.value, self._clock() - entry.answered, is_stale=True)

    def put(self, key: Key, value: V) -> None:
        """What somebody was answered who did not want to know what is remembered."""
        with self._lock:
            self._keep(key, value)

    def invalidate(self, provider: str = "") -> None:
        """Forget all answers, or those of one provider; also those that are on their way."""
        with self._lock:
            for name in [provider] if provider else list(self._figures):
                self.figures(name).turn += 1
            for key in [key for key in self._entries if provider in ("", key[0])]:
                del self._entries[key]
            for where in [where for where in self._flights if provider in ("", where[1][0])]:
                del self._flights[where]

    def figures(self, provider: str) -> Figures:
        with self._lock:
            return self._figures.setdefault(provider, Figures())

    def entries(self, provider: str) -> int:
        with self._lock:
            return sum(key[0] == provider for key in self._entries)

    def ttl(self, provider: str) -> float:
        """Of an answer that would come now for the first time, or of the last one that came."""
        figures, rules = self.figures(provider), self._rules()
        return rules.ttl(figures.success_rate, figures.ttl or rules.first)

    def _fresh(self, key: Key) -> Kept[V] | None:
        entry = self._entries.get(key)
        if entry is None or self._clock() >= entry.expires:
            return None
        self._entries.move_to_end(key)
        return self._kept(entry)

    async def _asked(self, key: Key, ask: Callable[[], Awaitable[V]], turn: int) -> Kept[V]:
        figures = self.figures(key[0])
        try:
            value = await ask()
        except Unclear:
            with self._lock:
                figures.went_well.append(False)
                older = self._entries.get(key)
                if older is None or self._is_over(older):
                    raise
                older.expires, older.is_stale = self._clock() + self._rules().least, True
                return self._kept(older)
        with self._lock:
            figures.went_well.append(True)
            if turn == figures.turn:
                self._keep(key, value)
        return Kept(value, 0.0)

    def _keep(self, key: Key, value: V) -> None:
        rules, figures, now = self._rules(), self.figures(key[0]), self._clock()
        before, essence = self._entries.pop(key, None), self._essence(value)
        is_same = before is not None and before.essence == essence
        steady = min(rules.most, before.steady * _GROWTH) if before is not None and is_same else rules.first
        figures.ttl = ttl = rules.ttl(figures.success_rate, steady)
        lasts = ttl * (1 - _MOST_JITTER * self._chance())
        self._entries[key] = _Entry(value, essence, now, steady, now + lasts)
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def _is_over(self, entry: _Entry[V]) -> bool:
        return self._clock() - entry.answered > _STALE_FOR

    def _kept(self, entry: _Entry[V]) -> Kept[V]:
        return Kept(entry.value, self._clock() - entry.answered, entry.is_stale)


async def _ended(task: asyncio.Future[Kept[V]]) -> None:
    """Nobody waits for it any more."""
    if not task.done():
        task.cancel()
        await asyncio.wait([task])
    with contextlib.suppress(asyncio.CancelledError, Exception):
        task.result()  # has been seen
