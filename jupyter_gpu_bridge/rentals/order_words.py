"""Orders as people can read and change them in a kernelspec; what is not said there has its usual value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from jupyter_gpu_bridge import durations
from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.market.conditions import require_sense
from jupyter_gpu_bridge.model import Money, Need, Order, Ranking, WhenBusy

LONGEST = timedelta(days=30)
SHORTEST = timedelta(minutes=1)

_USUAL = Order()


def describe(order: Order) -> dict[str, object]:
    """What differs from the usual."""
    return {**_differing(order.need, _USUAL.need), **_differing(order, _USUAL)}


def _differing(said: Need | Order, usual: Need | Order) -> dict[str, object]:
    values = {name: getattr(said, name) for name in said.__dataclass_fields__ if name in _WORDS}
    return {name: _WORDS[name].written(value) for name, value in values.items() if value != getattr(usual, name)}


def understand(said: Mapping[str, Any]) -> Order:
    """Raises `BadRequest` for what makes no sense."""
    unknown = sorted(set(said) - set(_WORDS))
    if unknown:
        raise BadRequest(f"An order has no {unknown[0]!r}.", advice=f"It has: {', '.join(sorted(_WORDS))}.")
    read: dict[str, Any] = {}
    for name, value in said.items():
        try:
            read[name] = _WORDS[name].read(value)
        except (TypeError, ValueError, InvalidOperation):
            raise BadRequest(f"The {name} {value!r} of an order makes no sense.") from None
    need = {name: read.pop(name) for name in tuple(read) if name in Need.__dataclass_fields__}
    return Order(need=Need(**need), **read)


def check_order(order: Order) -> None:
    """Raises `BadRequest` for limits that make no sense."""
    if order.budget is not None and order.budget.micros <= 0:
        raise BadRequest(f"A budget of {order.budget} buys nothing.", advice="Give a sum in dollars, for example 5.")
    for what, value in (("deadline", order.deadline), ("lease", order.lease), ("idle limit", order.idle)):
        if value is not None and not SHORTEST <= value <= LONGEST:
            raise BadRequest(
                f"The {what} of {value} is not between a minute and 30 days.", advice="For example: 8h, 45m"
            )
    require_sense(order.need)
    if not order.need.gpu_count:
        raise BadRequest("0 GPUs are none.", advice="Give how many there are to be: --gpus 1, or leave it out.")


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


def _share(value: object) -> Decimal:
    share = Decimal(_text(value))
    if not 0 <= share <= 1:
        raise ValueError
    return share


def _as_it_is(value: Any) -> object:
    return value


def _span_written(value: timedelta | None) -> str:
    return "none" if value is None else durations.written(value)


@dataclass(frozen=True, slots=True)
class _Words:
    """How a value is written in a kernelspec, and read again."""

    written: Callable[[Any], object]
    read: Callable[[object], Any]


_TEXTS, _TEXT = _Words(list, _texts), _Words(_as_it_is, _text)
_WHOLE, _TRUTH = _Words(_as_it_is, _whole), _Words(_as_it_is, _truth)
_SUM, _SHARE = _Words(str, _sum), _Words(str, _share)
_SPAN, _SPAN_OR_NONE = _Words(_span_written, _span), _Words(_span_written, _span_or_none)

_WORDS: Mapping[str, _Words] = {
    **dict.fromkeys(("gpus", "providers", "regions", "offers", "categories", "tiers"), _TEXTS),
    **dict.fromkeys(("gpu_count", "gpu_memory_mib", "cpus", "memory_mib", "disk_gib", "score"), _WHOLE),
    **dict.fromkeys(("down_mbps", "up_mbps"), _WHOLE),
    **dict.fromkeys(("allows_spot", "only_spot", "must_be_verified", "keeps_failed", "unguarded"), _TRUTH),
    **dict.fromkeys(("max_price", "min_price", "budget", "agreed", "agreed_price"), _SUM),
    **dict.fromkeys(("stock", "cuda", "compute_capability", "image", "python"), _TEXT),
    **dict.fromkeys(("deadline", "lease", "lasts"), _SPAN),
    "reliability": _SHARE,
    "idle": _SPAN_OR_NONE,
    "when_busy": _Words(lambda value: value.value, lambda value: WhenBusy(_text(value))),
    "ranking": _Words(lambda value: value.value, lambda value: Ranking(_text(value))),
}
