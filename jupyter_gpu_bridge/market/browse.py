"""Looking over all that can be rented: what is there is shown at once, and again with each provider that answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence, Sized
from datetime import timedelta
from typing import TypeVar

from jupyter_gpu_bridge.market.columns import Columns
from jupyter_gpu_bridge.market.conditions import Condition, conditions, require_sense
from jupyter_gpu_bridge.market.facts import figures
from jupyter_gpu_bridge.market.intent import with_titles
from jupyter_gpu_bridge.market.search import misspelt
from jupyter_gpu_bridge.market.sources import Browsed, Offered, Source, ask, places_for
from jupyter_gpu_bridge.model import Need, Offer
from jupyter_gpu_bridge.model.query import Answer, Excluded, Page, Query, Row
from jupyter_gpu_bridge.providers.clouds import Clouds

T = TypeVar("T")

_SMALL = 2000
"""So many offers are sifted at once, where handing them to a thread would take longer."""


class _Shelves:
    """The columns of what is remembered, made once for each answer."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, Need], tuple[Sequence[Offer], Columns]] = {}

    def of(self, name: str, need: Need, offers: Sequence[Offer]) -> Columns:
        answer, columns = self._made.get((name, need), (None, None))
        if columns is None or answer is not offers:
            columns = Columns(offers)
            self._made[name, need] = offers, columns
            while len(self._made) > _MOST_SHELVES:
                del self._made[next(iter(self._made))]
        return columns


_MOST_SHELVES = 64
_shelves = _Shelves()


async def browse(query: Query, source: Source | None = None) -> AsyncGenerator[Page, None]:
    """A page at once, and a newer one with each answer; raises `BadRequest` for what makes no sense.

    Closed early, whoever has not answered is asked no more, unless others wait for the same answer.
    """
    require_sense(query.need)
    need = with_titles(query.need)
    clouds = Clouds()
    try:
        names = await places_for(need, clouds)
    finally:
        await clouds.close()
    loop = asyncio.get_running_loop()
    began, asked = loop.time(), conditions(need)
    answers: dict[str, Answer] = {}
    columns: dict[str, Columns] = {}
    asking = {asyncio.ensure_future(ask(name, need, source or Browsed())): name for name in names}
    try:
        while True:
            yield await _page(query, need, asked, answers, columns, list(asking.values()))
            if not asking:
                return
            done, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                name, offered = asking.pop(task), task.result()
                answers[name] = _answer(name, offered, timedelta(seconds=loop.time() - began))
                columns[name] = await _aside(offered.offers, _shelves.of, name, need.wide, offered.offers)
    finally:
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


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


async def _page(
    query: Query,
    need: Need,
    asked: Sequence[Condition],
    answers: Mapping[str, Answer],
    columns: Mapping[str, Columns],
    awaited: Sequence[str],
) -> Page:
    shelves = [columns[name] for name in sorted(columns)]
    everything = range(sum(map(len, shelves)))
    rows, fitting, excluded = await _aside(everything, sift, query, asked, shelves)
    hint = ""
    if not fitting and not awaited:
        hint = misspelt(need, {offer.gpu.casefold() for each in shelves for offer in each.offers})
    return Page(rows, fitting, [answers[name] for name in sorted(answers)], sorted(awaited), excluded, hint)


async def _aside(offers: Sized, work: Callable[..., T], *arguments: object) -> T:
    """In a thread where there is much to do: the event loop has other things to do meanwhile."""
    if len(offers) <= _SMALL:
        return work(*arguments)
    return await asyncio.to_thread(work, *arguments)


def sift(
    query: Query, asked: Sequence[Condition], shelves: Iterable[Columns]
) -> tuple[Sequence[Row], int, Sequence[Excluded]]:
    """The rows of this page over all providers, how many fit, and what excludes how many."""
    chosen = [each.choose(asked, query.ranking, query.first + query.count) for each in shelves]
    best = sorted(
        (row for each in chosen for row in each.rows), key=lambda row: (row[0], row[1].provider, row[1].offer_id)
    )
    rows = [
        Row(offer, figures(offer.gpu, offer.gpu_memory_mib))
        for _, offer in best[query.first : query.first + query.count]
    ]
    return rows, sum(each.fitting for each in chosen), _summed([each.excluded for each in chosen])


def _summed(several: Iterable[Sequence[Excluded]]) -> Sequence[Excluded]:
    sums: dict[str, Excluded] = {}
    for each in (excluded for some in several for excluded in some):
        before = sums.get(each.phrase, Excluded(each.phrase, 0, 0, 0))
        sums[each.phrase] = Excluded(
            each.phrase, before.count + each.count, before.alone + each.alone, before.unsaid + each.unsaid
        )
    return list(sums.values())


def _answer(name: str, offered: Offered, after: timedelta) -> Answer:
    return Answer(name, len(offered.offers), offered.age, offered.is_stale, offered.silent, after)
