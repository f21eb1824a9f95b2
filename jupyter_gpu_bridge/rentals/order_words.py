"""Orders as people can read and change them in a kernelspec; what is not said there has its usual value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from jupyter_gpu_bridge import durations
from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.model import Money, Need, Order, WhenBusy

LONGEST = timedelta(days=30)
SHORTEST = timedelta(minutes=1)

_USUAL = Order()


def describe(order: Order) -> dict[str, object]:
    """What differs from the usual."""
    need, usual = order.need, _USUAL.need
    said: dict[str, object] = {
        "gpus": list(need.gpus) or None,
        "gpu_count": need.gpu_count if need.gpu_count != usual.gpu_count else None,
        "gpu_memory_mib": need.gpu_memory_mib or None,
        "max_price": None if need.max_price is None else str(need.max_price),
        "providers": list(need.providers) or None,
        "regions": list(need.regions) or None,
        "allows_spot": need.allows_spot or None,
        "cpus": need.cpus or None,
        "memory_mib": need.memory_mib or None,
        "disk_gib": need.disk_gib or None,
        "budget": None if order.budget is None else str(order.budget),
        "agreed": None if order.agreed is None else str(order.agreed),
        "deadline": _time(order.deadline, _USUAL.deadline),
        "idle": "none" if order.idle is None else _time(order.idle, _USUAL.idle),
        "lease": _time(order.lease, _USUAL.lease),
        "when_busy": order.when_busy.value if order.when_busy is not _USUAL.when_busy else None,
        "keeps_failed": order.keeps_failed or None,
        "image": order.image,
        "python": order.python,
    }
    return {name: value for name, value in said.items() if value is not None}


def understand(said: Mapping[str, Any]) -> Order:
    """Raises `BadRequest` for what makes no sense."""
    unknown = sorted(set(said) - set(_READERS))
    if unknown:
        raise BadRequest(f"An order has no {unknown[0]!r}.", advice=f"It has: {', '.join(sorted(_READERS))}.")
    read: dict[str, Any] = {}
    for name, value in said.items():
        try:
            read[name] = _READERS[name](value)
        except (TypeError, ValueError):
            raise BadRequest(f"The {name} {value!r} of an order makes no sense.") from None
    need = {name: read.pop(name) for name in tuple(read) if name in Need.__dataclass_fields__}
    return Order(need=Need(**need), **read)


def check_order(order: Order) -> None:
    """Raises `BadRequest` for limits that make no sense."""
    if order.budget is not None and order.budget.micros <= 0:
        raise BadRequest(f"A budget of {order.budget} buys nothing.", advice="Give a sum in dollars, for example 5.")
    if order.need.max_price is not None and order.need.max_price.micros < 0:
        raise BadRequest("A price below nothing is not offered.", advice="Give dollars per hour, for example 1.50")
    for what, value in (("deadline", order.deadline), ("lease", order.lease), ("idle limit", order.idle)):
        if value is not None and not SHORTEST <= value <= LONGEST:
            raise BadRequest(
                f"The {what} of {value} is not between a minute and 30 days.", advice="For example: 8h, 45m"
            )
    if order.need.gpu_count < 0 or order.need.gpu_memory_mib < 0 or order.need.disk_gib < 0:
        raise BadRequest("Less than nothing cannot be rented.", advice="Leave out what does not matter.")


def _time(value: timedelta, usual: timedelta | None) -> str | None:
    return None if value == usual else durations.written(value)


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise TypeError
    return tuple(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TypeError
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _sum(value: object) -> Money:
    return Money.parse(_text(value))


def _span(value: object) -> timedelta:
    return durations.parse(_text(value))


def _span_or_none(value: object) -> timedelta | None:
    return None if value == "none" else _span(value)


_READERS: Mapping[str, Callable[[object], Any]] = {
    "gpus": _texts,
    "gpu_count": _whole,
    "gpu_memory_mib": _whole,
    "max_price": _sum,
    "providers": _texts,
    "regions": _texts,
    "allows_spot": _truth,
    "cpus": _whole,
    "memory_mib": _whole,
    "disk_gib": _whole,
    "budget": _sum,
    "agreed": _sum,
    "deadline": _span,
    "idle": _span_or_none,
    "lease": _span,
    "when_busy": lambda value: WhenBusy(_text(value)),
    "keeps_failed": _truth,
    "image": _text,
    "python": _text,
}
