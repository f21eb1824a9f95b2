"""What the past of a model was, for somebody who asks for it by whatever name."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from jupyter_gpu_bridge import gpus
from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.market.history.past import Point, Span, known
from jupyter_gpu_bridge.market.history.thinning import KEPT
from jupyter_gpu_bridge.market.history.trend import Present, Trend, present, trend
from jupyter_gpu_bridge.naming import nearest

MOST_DAYS = KEPT // timedelta(days=1)
_WEEK, _MONTH = 7, 30


@dataclass(frozen=True, slots=True)
class SoldBy:
    """One model at one provider, on demand or as spot. All prices are of one GPU for an hour."""

    provider: str
    gpu: str
    is_spot: bool
    is_pretend: bool
    now: Present
    week: Trend
    month: Trend
    points: Sequence[Point]
    """Within the days that were asked for: how it was at their beginning, and each change."""
    known: Sequence[Span]
    """Of these times only it is known that it was so."""


@dataclass(frozen=True, slots=True)
class PriceHistory:
    gpu: str
    """As it was asked for."""
    titles: Sequence[str]
    """What that may mean, as offers spell it."""
    window: Span
    sold: Sequence[SoldBy]
    """The cheapest now first; then those who do not offer it now."""
    left_out: Sequence[str]
    """Pretend clouds that have such a GPU, and were not named."""


def price_history(gpu: str, provider: str | None, days: int, now: datetime) -> PriceHistory:
    """Waits for the disk. A pretend cloud is left out unless it is named.

    Raises `BadRequest` for a GPU or a provider that nobody knows, `LedgerBroken` when it cannot be read.
    """
    from jupyter_gpu_bridge.db import open_market
    from jupyter_gpu_bridge.market.history.store import Store

    if not 1 <= days <= MOST_DAYS:
        raise BadRequest(f"{days} days are not kept.", advice=f"Ask for 1 to {MOST_DAYS}.")
    window = Span(now - timedelta(days=days), now)
    with contextlib.closing(open_market()) as database:
        store = Store(database)
        if provider is not None:
            _check_provider(provider, store.providers())
        titles = _titles(gpu, store.names())
        read, looks = store.read(titles, provider, Span(now - timedelta(days=max(days, _MONTH)), now))
    sold = [_sold_by(*place, points, looks[place[0], place[2]], window) for place, points in read.items()]
    left_out = [] if provider is not None else [each for each in sold if each.is_pretend]
    shown = sorted((each for each in sold if each not in left_out), key=_order)
    return PriceHistory(gpu, titles, window, shown, sorted({each.provider for each in left_out}))


def _titles(name: str, recorded: Sequence[str]) -> Sequence[str]:
    """Those of the catalogue, and whatever providers call exactly so. Raises `BadRequest`."""
    titles = gpus.titles_wanted([name])
    exact = [
        title for title in recorded if title.casefold() in {name.casefold(), *(each.casefold() for each in titles)}
    ]
    if not exact and not gpus.identify(name).is_known:
        close = gpus.near(name)
        advice = f"Did you mean {' or '.join(close)}?" if close else "See which are known: jupyter gpu models"
        raise BadRequest(f"{name!r} is no GPU that is known.", advice=advice)
    return tuple(dict.fromkeys((*titles, *exact)))


def _check_provider(name: str, recorded: Sequence[str]) -> None:
    """One that is not installed any more still has its past. Raises `BadRequest`."""
    from jupyter_gpu_bridge.providers.clouds import cloud_names

    names = {*cloud_names(), *recorded}
    if name not in names:
        raise BadRequest(f"There is no provider {name!r}.", advice=nearest(name, names))


def _sold_by(
    provider: str, gpu: str, is_spot: bool, points: Sequence[Point], looks: Sequence[Span], window: Span
) -> SoldBy:
    before = [point for point in points if point.at <= window.since]
    return SoldBy(
        provider,
        gpu,
        is_spot,
        any(point.prices.is_pretend for point in points),
        present(points, looks),
        trend(points, looks, _WEEK, window.until),
        trend(points, looks, _MONTH, window.until),
        [*before[-1:], *(point for point in points if point.at > window.since)],
        known(looks, window),
    )


def _order(sold: SoldBy) -> tuple[bool, object, str, str, bool]:
    low = sold.now.prices.low
    return (low is None, low or 0, sold.provider, sold.gpu, sold.is_spot)
