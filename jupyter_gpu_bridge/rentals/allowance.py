"""What an order leaves to its next attempt: the time and the money that earlier ones took are gone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from jupyter_gpu_bridge.model import Money, Order, Rental

_TOO_SHORT = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Allowance:
    time: timedelta
    budget: Money | None
    agreed: Money | None
    agreed_price: Money | None = None
    spent: Money = field(default_factory=Money)
    """By earlier attempts."""

    @classmethod
    def of(cls, order: Order, attempts: Iterable[Rental], now: datetime) -> Allowance:
        """`attempts`: all of this wish until now."""
        known = list(attempts)
        spent = sum((each.accrued for each in known), Money())
        begun = min((each.written for each in known), default=now)
        return cls(
            time=order.deadline - (now - begun),
            budget=None if order.budget is None else order.budget - spent,
            agreed=None if order.agreed is None else order.agreed - spent,
            agreed_price=order.agreed_price,
            spent=spent,
        )

    def lasts(self, price: Money) -> timedelta:
        """For how long there may be a machine at such a price."""
        return self.time if self.budget is None else min(self.time, self.budget.lasts(price))

    def worst_case(self, price: Money) -> Money:
        bill = price.during(max(self.time, timedelta(0)))
        return bill if self.budget is None else min(bill, self.budget)

    def in_all(self, price: Money) -> Money:
        """The largest bill of the order, with what it has cost until now."""
        return self.spent + self.worst_case(price)

    def forbids(self, price: Money) -> str:
        """Why nothing is rented at such a price, as a phrase; empty when it may be."""
        if self.time < _TOO_SHORT:
            return "its deadline has come"
        if self.budget is not None and self.budget.lasts(price) < _TOO_SHORT:
            return "its budget is used up"
        if self.agreed_price is not None and price > self.agreed_price:
            return f"it costs {price} per hour, and {self.agreed_price} was agreed"
        if self.agreed is not None and self.worst_case(price) > self.agreed:
            return f"it could cost {self.worst_case(price)} in all, and {self.agreed} was agreed"
        return ""
