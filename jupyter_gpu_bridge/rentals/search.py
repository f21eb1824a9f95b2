"""From an order to the offers that meet it, the best first; and why there are none."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from jupyter_gpu_bridge import gpus
from jupyter_gpu_bridge.errors import BridgeError, CloudError, NothingFits, ProviderMissing
from jupyter_gpu_bridge.model import Money, Need, Offer, Order
from jupyter_gpu_bridge.rentals.clouds import Clouds, clouds_set_up

_MOST_TRIES = 12
_DEARER = 3


@dataclass(frozen=True, slots=True)
class Found:
    """What was offered, and who could not be asked."""

    offers: Sequence[Offer]
    silent: Sequence[str]
    """One phrase for each cloud that did not answer."""


@dataclass(frozen=True, slots=True)
class Quote:
    """What an order would come to now."""

    best: Offer
    others: int
    """That are tried when it is gone."""
    dearest: Money
    """Of all these, per hour."""
    worst_case: Money
    """The largest possible bill, whichever of them it will be."""


class Tries:
    """Which offers are tried, and in which order. At another price it is another offer.

    Unless somebody has said how dear it may be, it is no more than three times the best price of the beginning.
    """

    def __init__(self, offers: Sequence[Offer], need: Need) -> None:
        best = min((offer.price for offer in offers), default=Money())
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


def quote(order: Order, offers: Sequence[Offer]) -> Quote:
    tries = Tries(offers, order.need)
    tried = list(iter(lambda: tries.next(offers), None))
    dearest = max(offer.price for offer in tried)
    return Quote(tried[0], len(tried) - 1, dearest, order.worst_case(dearest))


async def search(need: Need, clouds: Clouds) -> Found:
    """Offers that fit, cheapest first. Raises `NothingFits` with what excludes how many.

    Pretend offers are for those who ask for them: nobody who wants a GPU is given a pretence of one.
    """
    need = replace(need, gpu_titles=gpus.titles_wanted(need.gpus))
    names = need.providers or [name for name in clouds_set_up() if not _is_pretend(name, clouds)]
    answers = await asyncio.gather(*(_ask(name, need, clouds) for name in names))
    offers = [offer for answer in answers if not isinstance(answer, str) for offer in answer]
    silent = [answer for answer in answers if isinstance(answer, str)]
    fitting = sorted(
        (offer for offer in offers if not need.lacks(offer)), key=lambda offer: (offer.price, offer.offer_id)
    )
    if not fitting:
        raise _nothing(need, offers, silent, names)
    return Found(fitting, silent)


def _is_pretend(name: str, clouds: Clouds) -> bool:
    try:
        return clouds.get(name).traits.is_pretend
    except ProviderMissing:
        return False  # which is said when it is asked


async def _ask(name: str, need: Need, clouds: Clouds) -> Sequence[Offer] | str:
    try:
        return await clouds.get(name).offers(need)
    except CloudError as error:
        return f"{name} could not be asked: {error.what.rstrip('.')}"


def _nothing(need: Need, offers: Sequence[Offer], silent: Sequence[str], names: Sequence[str]) -> BridgeError:
    if not names:
        return NothingFits(
            "No provider is set up.", advice="Try the pretend one (provider `sandbox`), or give a provider's key."
        )
    missing = Counter(phrase for offer in offers for phrase in need.lacks(offer))
    excluded = "; ".join(f"{phrase} excludes {count}" for phrase, count in missing.most_common())
    what = f"None of {len(offers)} offers fits: {excluded}." if offers else "Nothing is offered now."
    if silent:
        what = f"{what} {'; '.join(silent)}."
    advice = "Ask for less, or try again later. Nothing was rented."
    return NothingFits(what, advice=f"{_misspelt(need, offers)}{advice}")


def _misspelt(need: Need, offers: Sequence[Offer]) -> str:
    """What might have been meant by a GPU that neither the catalogue nor any offer has."""
    offered = {offer.gpu.casefold() for offer in offers}
    for name in need.gpus:
        if name.casefold() not in offered and not gpus.identify(name).is_known and (close := gpus.near(name)):
            return f"{name!r} is no GPU that is known; did you mean {' or '.join(close)}? "
    return ""
