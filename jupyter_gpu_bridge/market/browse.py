"""Looking over all that can be rented: what is there is shown at once, and again with each provider that answers."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from datetime import timedelta

from jupyter_gpu_bridge.aside import aside
from jupyter_gpu_bridge.market.columns import Columns
from jupyter_gpu_bridge.market.conditions import Condition, conditions, require_sense
from jupyter_gpu_bridge.market.facts import figures
from jupyter_gpu_bridge.market.intent import completed
from jupyter_gpu_bridge.market.lessons import NOTHING, Lessons, learned
from jupyter_gpu_bridge.market.search import misspelt
from jupyter_gpu_bridge.market.sources import Browsed, Offered, Source, ask, before, places_for
from jupyter_gpu_bridge.model import Need, Offer
from jupyter_gpu_bridge.model.query import Answer, Excluded, Page, Query, Row
from jupyter_gpu_bridge.providers.clouds import Clouds

_MOST_SHELVES = 64


class _Shelves:
    """The columns of what is remembered, made once for each answer, in whatever thread is the first to need them."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, Need], tuple[Sequence[Offer], Columns]] = {}
        self._making = threading.Lock()

    def of(self, name: str, need: Need, offers: Sequence[Offer]) -> Columns:
        with self._making:
            answer, columns = self._made.get((name, need), (None, None))
            if columns is None or answer is not offers:
                columns = Columns(offers)
                self._made[name, need] = offers, columns
                while len(self._made) > _MOST_SHELVES:
                    del self._made[next(iter(self._made))]
            return columns


_shelves = _Shelves()


async def browse(query: Query, source: Source | None = None) -> AsyncGenerator[Page, None]:
    """A page at once, and a newer one whenever more is known; raises `BadRequest` for what makes no sense.

    Whoever has to be asked again is shown as he was, until he answers.
    Closed early, whoever has not answered is asked no more, unless others wait for the same answer.
    """
    require_sense(query.need)
    need = completed(query.need)
    clouds = Clouds()
    try:
        names = await places_for(need, clouds)
    finally:
        await clouds.close()
    known, browsed = _Known(query, need), Browsed()
    source = source or browsed
    asking = {asyncio.ensure_future(ask(name, need, source)): name for name in names}
    learning = {asyncio.ensure_future(asyncio.to_thread(_learned, names))}
    try:
        for name in names:
            if (older := before(name, need, source)) is not None:
                await known.heard(name, older)
        while True:
            yield await known.page(list(asking.values()))
            if not asking and not learning:
                return
            await asyncio.wait([*asking, *learning], return_when=asyncio.FIRST_COMPLETED)
            for lesson in [each for each in learning if each.done()]:
                learning.remove(lesson)
                known.lessons = lesson.result()
            for answer in [each for each in asking if each.done()]:
                name, offered = asking.pop(answer), answer.result()
                await known.heard(name, offered)
    finally:
        for answer in asking:
            answer.cancel()
        await asyncio.gather(*asking, *learning, return_exceptions=True)
        await browsed.written()


def _learned(names: Sequence[str]) -> Lessons:
    import numpy  # noqa: F401 - which takes a moment; nobody has answered yet

    return learned(names)


async def whole(query: Query, within: float) -> Page:
    """The last page, or the newest after so many seconds."""
    page = Page((), 0, (), (), ())

    async def read() -> None:
        nonlocal page
        async with contextlib.aclosing(browse(query)) as pages:
            async for newer in pages:
                page = newer

    reading = asyncio.ensure_future(read())
    try:
        await asyncio.wait([reading], timeout=within)
        if reading.done():
            reading.result()
        return page
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


class _Known:
    """What is known so far."""

    def __init__(self, query: Query, need: Need) -> None:
        self.lessons = NOTHING
        self._query = query
        self._need = need
        self._asked = conditions(need)
        self._began = time.monotonic()
        self._answers: dict[str, Answer] = {}
        self._columns: dict[str, Columns] = {}

    async def heard(self, name: str, offered: Offered) -> None:
        offers, after = offered.offers, timedelta(seconds=time.monotonic() - self._began)
        self._answers[name] = Answer(name, len(offers), offered.age, offered.is_stale, offered.silent, after)
        self._columns[name] = await aside(offers, _shelves.of, name, self._need.wide, offers)

    async def page(self, awaited: Sequence[str]) -> Page:
        shelves = [self._columns[name] for name in sorted(self._columns)]
        everything = range(sum(map(len, shelves)))
        rows, fitting, excluded = await aside(everything, sift, self._query, self._asked, shelves, self.lessons)
        hint = ""
        if not fitting and not awaited:
            hint = misspelt(self._need, {offer.gpu.casefold() for each in shelves for offer in each.offers})
        answers = [self._answers[name] for name in sorted(self._answers)]
        return Page(rows, fitting, answers, sorted(awaited), excluded, hint)


def sift(
    query: Query, asked: Sequence[Condition], shelves: Sequence[Columns], lessons: Lessons = NOTHING
) -> tuple[Sequence[Row], int, Sequence[Excluded]]:
    """The rows of this page over all providers, how many fit, and what excludes how many."""
    chosen = [each.choose(asked, query.ranking, query.first + query.count, lessons) for each in shelves]
    best = sorted(
        (row for each in chosen for row in each.rows), key=lambda row: (row[0], row[1].provider, row[1].offer_id)
    )
    rows = [_row(offer, lessons) for _, offer in best[query.first : query.first + query.count]]
    return rows, sum(each.fitting for each in chosen), _summed([each.excluded for each in chosen])


def _row(offer: Offer, lessons: Lessons) -> Row:
    return Row(
        offer,
        figures(offer.gpu, offer.gpu_memory_mib),
        lessons.warning(offer),
        lessons.boot_times.get((offer.provider, offer.gpu)),
    )


def _summed(several: Iterable[Sequence[Excluded]]) -> Sequence[Excluded]:
    sums: dict[str, Excluded] = {}
    for each in (excluded for some in several for excluded in some):
        before = sums.get(each.phrase, Excluded(each.phrase, 0, 0, 0))
        sums[each.phrase] = Excluded(
            each.phrase, before.count + each.count, before.alone + each.alone, before.unsaid + each.unsaid
        )
    return list(sums.values())
