"""Orders on the command line: what is given of them, and what is said of one before it costs anything."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from jupyter_gpu_bridge.bridge import Bridge, Standing, understand
from jupyter_gpu_bridge.cli.screen import Screen
from jupyter_gpu_bridge.durations import spoken
from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.model import Money, Offer, Order, Ranking, Rental, WhenBusy

if TYPE_CHECKING:
    from jupyter_gpu_bridge.bridge import Quote

_Read = tuple[str, Callable[[Any], Any]]


def _as_it_is(value: Any) -> Any:
    return value


def _texts(value: Sequence[str]) -> tuple[str, ...]:
    return tuple(text for text in value if text)


def _or_none(value: Any) -> Any:
    return None if value == "none" else value


def _gib(value: int) -> int:
    return value * 1024


_NEED: Mapping[str, _Read] = {
    "gpu": ("gpus", _texts),
    "gpus": ("gpu_count", _as_it_is),
    "gpu_memory": ("gpu_memory_mib", _gib),
    "category": ("categories", _texts),
    "score": ("score", _as_it_is),
    "capability": ("compute_capability", _as_it_is),
    "provider": ("providers", _texts),
    "region": ("regions", _texts),
    "tier": ("tiers", _texts),
    "offer": ("offers", _texts),
    "max_price": ("max_price", _or_none),
    "min_price": ("min_price", _or_none),
    "spot": ("allows_spot", _as_it_is),
    "only_spot": ("only_spot", _as_it_is),
    "lasts": ("lasts", _as_it_is),
    "stock": ("stock", _as_it_is),
    "reliability": ("reliability", _as_it_is),
    "verified": ("must_be_verified", _as_it_is),
    "cpus": ("cpus", _as_it_is),
    "memory": ("memory_mib", _gib),
    "disk": ("disk_gib", _as_it_is),
    "down": ("down_mbps", _as_it_is),
    "up": ("up_mbps", _as_it_is),
    "cuda": ("cuda", _as_it_is),
}
_LIMITS: Mapping[str, _Read] = {
    "ranking": ("ranking", Ranking),
    "budget": ("budget", _or_none),
    "deadline": ("deadline", _as_it_is),
    "idle": ("idle", _as_it_is),
    "lease": ("lease", _as_it_is),
    "busy": ("when_busy", WhenBusy),
    "keep_failed": ("keeps_failed", _as_it_is),
    "unguarded": ("unguarded", _as_it_is),
    "image": ("image", lambda text: text or None),
}
_SPELLED = {"deadline": "for", "lasts": "available-for", "ranking": "prefer"}


def order_of(arguments: Namespace, before: Order | None = None) -> Order:
    """What is given, and the rest as it was before; `none` or an empty text takes it back."""
    before = before or Order()
    if words := getattr(arguments, "words", ()):
        before = understand(" ".join(words), before)
    return replace(before, need=replace(before.need, **_given(arguments, _NEED)), **_given(arguments, _LIMITS))


def given_of_order(arguments: Namespace) -> Sequence[str]:
    """The options that make an order, as they are spelled."""
    return [f"--{_SPELLED.get(name, name).replace('_', '-')}" for name in (*_NEED, *_LIMITS) if name in arguments]


async def tell_price(quote: Quote, order: Order, bridge: Bridge, screen: Screen) -> None:
    """All that has to be known before money is spent."""
    best, worst = quote.best, quote.worst_case.cents_at_most()
    screen.note(f"The best offer is {best.title} at {best.provider} for {best.price} per hour.")
    if quote.passed_over:
        screen.note(quote.passed_over)
    if quote.others:
        screen.note(f"Should it be gone, others are tried ({quote.others}), for {quote.dearest} per hour at the most.")
    bill = f"the largest possible bill is {worst}{_told_traffic(quote.tried)}."
    screen.note(f"It ends after {spoken(order.deadline)} at the latest; {bill}")
    if best.lasts is not None and best.ends_within(order.longest(best.price)):
        screen.note(f"{best.provider} has it for {spoken(best.lasts)} only: then it ends, whatever runs on it.")
    for provider in dict.fromkeys(offer.provider for offer in quote.tried):
        if gaps := await bridge.gaps(provider):
            screen.note(gaps)
    if best.is_pretend:
        screen.note("It is a pretence on this computer: no GPU, and no money.")


def _told_traffic(offers: Sequence[Offer]) -> str:
    """Nobody knows how much of it there will be; empty where it costs nothing."""
    prices = {
        "received": max((offer.down_price or Money() for offer in offers), default=Money()),
        "sent": max((offer.up_price or Money() for offer in offers), default=Money()),
    }
    told = [f"{price} per GB {way}" for way, price in prices.items() if price]
    return f", and traffic at up to {' and '.join(told)}" if told else ""


async def tell_price_later(order: Order, bridge: Bridge, screen: Screen) -> Quote | None:
    """The same for what is rented only when a kernel starts; what was said, where that can be said now."""
    try:
        quote = await bridge.quote(order)
    except BridgeError as error:
        screen.note(f"What it will cost cannot be said now: {error}")
        if order.budget is not None:
            screen.note(f"It ends when its budget of {order.budget} is used up.")
        return None
    screen.note("It rents when a kernel starts. As things are now:")
    await tell_price(quote, order, bridge, screen)
    return quote


async def living(key: str, bridge: Bridge) -> Standing | None:
    """What this computer has, or is having, rented for that already."""
    for standing in await bridge.rentals_lately():
        if standing.wish.key == key and standing.wish.is_open and not standing.is_elsewhere:
            return standing
    return None


def tell_living(standing: Standing, screen: Screen) -> None:
    """Its own limits count, whatever is asked for now."""
    short, rental = standing.wish.wish_id[:8], standing.rental
    if rental is None or not rental.state.is_live:
        screen.note(f"A machine is being looked for already ({short}).")
    else:
        screen.note(
            f"It is there already ({short}): {rental.offer.title} at {rental.provider} for {rental.price} per hour."
        )
        screen.note(
            f"It ends after {time_left(rental)} at the latest; "
            f"the largest possible bill is {standing.worst_case.cents_at_most()}."
        )
    screen.note(f"These limits count until it ends, not what is said now. End it with: jupyter gpu stop {short}")


def time_left(rental: Rental) -> str:
    """Until its deadline, or until its budget is used up."""
    left = rental.deadline - datetime.now(timezone.utc)
    if rental.cap is not None:
        left = min(left, (rental.cap - rental.accrued).lasts(rental.price))
    return spoken(left)


def _given(arguments: Namespace, read: Mapping[str, _Read]) -> dict[str, Any]:
    return {
        field: understand(getattr(arguments, name)) for name, (field, understand) in read.items() if name in arguments
    }
