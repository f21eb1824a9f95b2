"""What can be had now, and what an order would come to: asked of all clouds, before anything is wished for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jupyter_gpu_bridge.model import Need, Offer, Order, Ranking

if TYPE_CHECKING:
    from jupyter_gpu_bridge.market.search import Found
    from jupyter_gpu_bridge.market.sources import Source
    from jupyter_gpu_bridge.rentals.book import Book
    from jupyter_gpu_bridge.rentals.quote import Quote


async def search(need: Need) -> Sequence[Offer]:
    """The best first, as they were a moment ago. Raises `NothingFits`."""
    from jupyter_gpu_bridge.market.sources import Browsed

    return (await _searched(need, Browsed())).offers


async def quote(order: Order, book: Book | None) -> Quote:
    """What it would come to now; without a `book` nothing was ever rented, so no host has failed.

    Raises `NothingFits`.
    """
    from jupyter_gpu_bridge.aside import aside
    from jupyter_gpu_bridge.rentals.quote import quote as quoted
    from jupyter_gpu_bridge.rentals.quote import without_avoided

    found = await _searched(order.full_need, ranking=order.ranking)
    offers = found.offers
    if book is not None:
        offers = await without_avoided(offers, book)
    offers = await _guarded(offers, order)
    return await aside(offers, quoted, order, offers, found.lessons)


async def _guarded(offers: Sequence[Offer], order: Order) -> Sequence[Offer]:
    from jupyter_gpu_bridge.providers.clouds import Clouds
    from jupyter_gpu_bridge.rentals.unguarded import without_unguarded

    clouds = Clouds()
    try:
        return await without_unguarded(offers, order, clouds)
    finally:
        await clouds.close()


async def _searched(need: Need, source: Source | None = None, ranking: Ranking = Ranking.PRICE) -> Found:
    from jupyter_gpu_bridge.market.search import search
    from jupyter_gpu_bridge.providers.clouds import Clouds

    clouds = Clouds()
    try:
        return await search(need, clouds, source, ranking)
    finally:
        await clouds.close()


async def gaps(provider: str) -> str:
    """What this cloud cannot promise; see `Traits`."""
    from jupyter_gpu_bridge.providers.clouds import Clouds

    clouds = Clouds()
    try:
        return clouds.get(provider).traits.gaps()
    finally:
        await clouds.close()
