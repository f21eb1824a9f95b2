"""Offers and times for the tests of the market's past."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from jupyter_gpu_bridge.market.history import Prices
from jupyter_gpu_bridge.model import Money, Offer

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def at_price(low: Money | None, offers: int = 1) -> Prices:
    """Of that many equal offers; without a price, of none."""
    return Prices(0) if low is None else Prices(offers, low, low, low)


def offer(
    price: str,
    gpu: str = "H100 SXM",
    *,
    count: int = 1,
    provider: str = "vast",
    is_spot: bool = False,
    is_pretend: bool = False,
) -> Offer:
    return Offer(
        provider, f"{gpu}-{price}", gpu, count, 81_920, Money.parse(price), is_spot=is_spot, is_pretend=is_pretend
    )
