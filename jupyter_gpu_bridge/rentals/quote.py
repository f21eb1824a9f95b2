"""Which of the offers are tried, in which order, and what that may come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jupyter_gpu_bridge.errors import NothingFits
from jupyter_gpu_bridge.market.lessons import NOTHING, Lessons
from jupyter_gpu_bridge.market.ranking import ranked
from jupyter_gpu_bridge.model import Money, Need, Offer, Order
from jupyter_gpu_bridge.model.experience import REMEMBERED_FOR
from jupyter_gpu_bridge.rentals.book import Book
from jupyter_gpu_bridge.rentals.ledger import Ledger

_MOST_TRIES = 12
_DEARER = 3


@dataclass(frozen=True, slots=True)
class Quote:
    """What an order would come to now."""

    best: Offer
    others: int
    """That are tried when it is gone."""
    dearest: Money
    """Of all these, per hour."""
    worst_case: Money
    """The largest possible bill, whichever of them it will be; without traffic: nobody knows how much there will be."""
    tried: Sequence[Offer]
    """The best, and the others."""
    passed_over: str = ""
    """One sentence about a cheaper offer that would come first, had nothing gone wrong there; empty without one."""


class Tries:
    """Which offers are tried, and in which order. At another price it is another offer.

    Unless somebody has said how dear it may be, it is no more than three times the price of the best of the beginning.
    """

    def __init__(self, offers: Sequence[Offer], need: Need) -> None:
        best = offers[0].price if offers else Money()
        self._most = best * _DEARER if need.max_price is None else need.max_price
        self._tried: set[tuple[str, str, Money]] = set()

    def next(self, offers: Sequence[Offer]) -> Offer | None:
        """The first of these, as they are offered now, that was not tried yet."""
        for offer in offers:
            this = (offer.provider, offer.offer_id, offer.price)
            if len(self._tried) < _MOST_TRIES and offer.price <= self._most and this not in self._tried:
                self._tried.add(this)
                return offer
        return None


async def without_avoided(offers: Sequence[Offer], book: Book) -> Sequence[Offer]:
    """Those on hosts that did not fail lately; what is quoted and what is tried must be the same."""
    now = book.clock.now()
    avoided = {
        (provider, host)
        for provider in {offer.provider for offer in offers}
        for host in await book.read(Ledger.avoided, provider, now)
    }
    return [offer for offer in offers if (offer.provider, offer.host) not in avoided]


def quote(order: Order, offers: Sequence[Offer], lessons: Lessons = NOTHING) -> Quote:
    """`offers`: the best first, by what these lessons say. Raises `NothingFits` where nothing is left of them."""
    if not offers:
        raise NothingFits(
            "Something is offered, and all the hosts that have it failed within the last hours.",
            advice="Try again later, or ask for another GPU.",
        )
    tries = Tries(offers, order.need)
    tried = list(iter(lambda: tries.next(offers), None))
    dearest = max(offer.price for offer in tried)
    passed = _passed_over(tried[0], offers, lessons, order)
    return Quote(tried[0], len(tried) - 1, dearest, order.worst_case(dearest), tried, passed)


def _passed_over(best: Offer, offers: Sequence[Offer], lessons: Lessons, order: Order) -> str:
    sunk = [offer for offer in offers if offer.price < best.price and lessons.trouble(offer)]
    first = ranked([best, *sunk], order.ranking)[0]
    if first is best or lessons.trouble(best):
        return ""
    whose = "its host" if first.host else " ".join(filter(None, ("such a machine", first.tier and f"({first.tier})")))
    return (
        f"A cheaper offer comes after all others, {first.title} at {first.provider} for {first.price} per hour "
        f"({best.price - first.price} less): within {REMEMBERED_FOR.days} days {whose} {lessons.warning(first)}."
    )
