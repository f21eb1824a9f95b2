"""The market as it is now: everything that is offered by those who are set up, or by one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from jupyter_gpu_bridge.market.search import search
from jupyter_gpu_bridge.market.sources import Browsed
from jupyter_gpu_bridge.market.statistics import MarketStatistics, statistics
from jupyter_gpu_bridge.model import Need
from jupyter_gpu_bridge.providers.clouds import Clouds


@dataclass(frozen=True, slots=True)
class Overview:
    statistics: MarketStatistics
    silent: Sequence[str]
    """One phrase for each cloud that did not answer, also where it is known what it offered before."""


async def overview(provider: str | None = None) -> Overview:
    """As things were a moment ago. A pretend cloud is left out unless it is named.

    Raises `NothingFits` where nothing is offered, `BadRequest` for a provider that nobody knows.
    """
    clouds, browsed = Clouds(), Browsed()
    try:
        everything = Need(providers=(provider,) if provider else (), allows_spot=True)
        found = await search(everything, clouds, browsed)
    finally:
        await clouds.close()
        await browsed.written()
    return Overview(await asyncio.to_thread(statistics, found.offers), found.silent)
