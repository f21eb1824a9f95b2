"""Limits on money, for everything that is rented together; each order has its own besides."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_gpu_bridge.errors import OverBudget
from jupyter_gpu_bridge.model import Money

LIMITS_COMMAND = "jupyter gpu limits"

_NOTHING = Money()


@dataclass(frozen=True, slots=True)
class Limits:
    """What is `None` is not limited. Days and months are those of UTC."""

    per_day: Money | None = None
    per_month: Money | None = None
    per_hour_at_once: Money | None = None
    """The prices of all machines that are rented at the same time."""
    live_at_once: int | None = None


@dataclass(frozen=True, slots=True)
class Spending:
    """What has been spent, and what is still to come of what is rented now."""

    spent_today: Money = _NOTHING
    spent_this_month: Money = _NOTHING
    reserved: Money = _NOTHING
    """The worst case of all that is live, less what has accrued of it."""
    per_hour: Money = _NOTHING
    live: int = 0


def require_within(limits: Limits, spending: Spending, price: Money, worst_case: Money) -> None:
    """Raises `OverBudget` when renting one more, at this price and with this worst case, could break a limit."""
    if limits.live_at_once is not None and spending.live + 1 > limits.live_at_once:
        raise _over(
            "live-at-once",
            f"{limits.live_at_once} machine{'s' * (limits.live_at_once != 1)} at once",
            f"{_machines(spending.live)} rented now.",
        )
    if limits.per_hour_at_once is not None and spending.per_hour + price > limits.per_hour_at_once:
        raise _over(
            "per-hour-at-once",
            f"{limits.per_hour_at_once} per hour for all machines together",
            f"{_machines(spending.live)} rented now for {spending.per_hour} per hour, and this one costs {price}.",
        )
    for name, limit, period, spent in (
        ("per-day", limits.per_day, "per day", spending.spent_today),
        ("per-month", limits.per_month, "per month", spending.spent_this_month),
    ):
        if limit is not None and spent + spending.reserved + worst_case > limit:
            raise _over(
                name,
                f"{limit} {period}",
                f"{spent} is spent, {spending.reserved} is reserved for what is rented now, and this one can come to "
                f"{worst_case}. (Days and months are those of UTC.)",
            )


def _over(name: str, limit: str, why: str) -> OverBudget:
    return OverBudget(
        f"This would break your limit of {limit}: {why}",
        billing="Nothing was rented for it.",
        advice=f"Ask for less, end another machine, or change the limit: {LIMITS_COMMAND} --{name} VALUE",
        details={"limit": name},
    )


def _machines(count: int) -> str:
    return "1 machine is" if count == 1 else f"{count} machines are"
