"""Limits on money, for everything that is rented together; each order has its own besides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from jupyter_gpu_bridge.errors import OverBudget
from jupyter_gpu_bridge.model import Money

LIMITS_COMMAND = "jupyter gpu limits"
WARN_AT = 80
"""Per cent of a limit."""

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

    def after(self, time: timedelta) -> Spending:
        """When everything goes on until then."""
        more = self.per_hour.during(time)
        return replace(self, spent_today=self.spent_today + more, spent_this_month=self.spent_this_month + more)


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
    for sum_ in _sums(limits, spending):
        if sum_.spent + spending.reserved + worst_case > sum_.limit:
            raise _over(
                sum_.name,
                f"{sum_.limit} {sum_.period}",
                f"{sum_.spent} is spent, {spending.reserved} is reserved for what is rented now, and this one can come "
                f"to {worst_case}. (Days and months are those of UTC.)",
            )


def require_longer_within(limits: Limits, spending: Spending, worst_case: Money, deadline: str) -> None:
    """Raises `OverBudget` when what is spent and reserved, one rental's longer time with it, could break a limit."""
    for sum_ in _sums(limits, spending):
        if sum_.spent + spending.reserved > sum_.limit:
            raise OverBudget(
                f"This would break your limit of {sum_.limit} {sum_.period}: {sum_.spent} is spent, and with this one, "
                f"which could come to {worst_case} then, {spending.reserved} would be reserved for what is rented now. "
                "(Days and months are those of UTC.)",
                billing=f"It still ends at {deadline}.",
                advice="Extend it by less, end another machine, or change the limit: "
                f"{LIMITS_COMMAND} --{sum_.name} VALUE",
                details={"limit": sum_.name},
            )


def passed(limits: Limits, spending: Spending, *, is_dearer: bool) -> str:
    """Which limit is used up, as a sentence. Of prices at once only for a machine that has become dearer: all others
    were within that limit when they were rented."""
    for sum_ in _sums(limits, spending):
        if sum_.spent >= sum_.limit:
            return f"Your limit of {sum_.limit} {sum_.period} for all machines together (--{sum_.name}) is used up."
    at_once = limits.per_hour_at_once
    if is_dearer and at_once is not None and spending.per_hour > at_once:
        return (
            f"Its provider has raised its price, and all machines together cost {spending.per_hour} per hour now: your "
            f"limit is {at_once} (--per-hour-at-once)."
        )
    return ""


def nearly_passed(limits: Limits, spending: Spending) -> Iterator[tuple[str, str]]:
    """The limits of which most is used up, by name, and a sentence about each."""
    for sum_ in _sums(limits, spending):
        if sum_.spent * 100 >= sum_.limit * WARN_AT:
            yield (
                sum_.name,
                f"{sum_.spent} of your limit of {sum_.limit} {sum_.period} for all machines together are spent; at all "
                f"of it this one is ended. To change it: {LIMITS_COMMAND} --{sum_.name} VALUE",
            )


@dataclass(frozen=True, slots=True)
class _Sum:
    name: str
    limit: Money
    period: str
    spent: Money


def _sums(limits: Limits, spending: Spending) -> Iterator[_Sum]:
    if limits.per_day is not None:
        yield _Sum("per-day", limits.per_day, "per day", spending.spent_today)
    if limits.per_month is not None:
        yield _Sum("per-month", limits.per_month, "per month", spending.spent_this_month)


def _over(name: str, limit: str, why: str) -> OverBudget:
    return OverBudget(
        f"This would break your limit of {limit}: {why}",
        billing="Nothing was rented for it.",
        advice=f"Ask for less, end another machine, or change the limit: {LIMITS_COMMAND} --{name} VALUE",
        details={"limit": name},
    )


def _machines(count: int) -> str:
    return "1 machine is" if count == 1 else f"{count} machines are"
