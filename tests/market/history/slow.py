"""The same questions answered the slow way: minute by minute, from every single look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from jupyter_gpu_bridge.market.history import HOLDS
from jupyter_gpu_bridge.model import Money


@dataclass(frozen=True)
class Look:
    at: datetime
    low: Money | None
    """Nothing: the model was not offered."""


def state(looks: Sequence[Look], moment: datetime) -> Look | None:
    """The look that tells of that moment."""
    before = [look for look in looks if look.at <= moment]
    return before[-1] if before and (before[-1].at == moment or moment - before[-1].at < HOLDS) else None


@dataclass(frozen=True)
class SlowTrend:
    low: Money | None
    median: Money | None
    change: Decimal | None
    known: timedelta
    offered: timedelta


def slow_trend(looks: Sequence[Look], days: int, now: datetime, step: timedelta) -> SlowTrend:
    """All looks, and now, are at whole steps."""
    steps = timedelta(days=days) // step
    told = [state(looks, now - step * back) for back in range(steps, 0, -1)]
    known = [look for look in told if look is not None]
    lasting = [look.low for look in known if look.low is not None]
    just_now = [look.low for look in looks if look.at == now]
    offered = [*lasting, *(low for low in just_now if low is not None)]
    last = just_now[-1] if just_now else known[-1].low if known else None
    return SlowTrend(
        min(offered, default=None),
        sorted(lasting or offered)[(len(lasting or offered) - 1) // 2] if offered else None,
        _percent(offered[0], last) if offered and last is not None else None,
        step * len(known),
        step * len(lasting),
    )


def _percent(before: Money, after: Money) -> Decimal | None:
    if not before:
        return None
    exact = Decimal(after.micros - before.micros) * 100 / Decimal(before.micros)
    return exact.quantize(Decimal("0.1"), ROUND_HALF_EVEN)
