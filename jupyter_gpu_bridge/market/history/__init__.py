"""What GPUs have cost, and when they could be had: written down when somebody looks, and only of when somebody did.

A database is brought only when something is recorded or asked for.
"""

from __future__ import annotations

from jupyter_gpu_bridge.market.history.asking import MOST_DAYS, PriceHistory, SoldBy, price_history
from jupyter_gpu_bridge.market.history.columns import Column, columns
from jupyter_gpu_bridge.market.history.past import HOLDS, Point, Span
from jupyter_gpu_bridge.market.history.recording import record
from jupyter_gpu_bridge.market.history.snapshot import Prices
from jupyter_gpu_bridge.market.history.trend import Present, Trend

__all__ = [
    "HOLDS",
    "MOST_DAYS",
    "Column",
    "Point",
    "Present",
    "PriceHistory",
    "Prices",
    "SoldBy",
    "Span",
    "Trend",
    "columns",
    "price_history",
    "record",
]
