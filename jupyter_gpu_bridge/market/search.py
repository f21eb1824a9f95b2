"""From an order to the offers that meet it, the best first; and why there are none."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

from jupyter_gpu_bridge import gpus
from jupyter_gpu_bridge.durations import spoken
from jupyter_gpu_bridge.errors import BridgeError, CloudError, NothingFits, ProviderMissing
from jupyter_gpu_bridge.model import Need, Offer
from jupyter_gpu_bridge.providers import settings
from jupyter_gpu_bridge.providers.clouds import Clouds, clouds_set_up
from jupyter_gpu_bridge.providers.offers import remembered


@dataclass(frozen=True, slots=True)
class Found:
    """What was offered, and who could not be asked."""

    offers: Sequence[Offer]
    silent: Sequence[str]
    """One phrase for each cloud that did not answer, also where it is known what it offered before."""


@dataclass(frozen=True, slots=True)
class Offered:
    """By one cloud."""

    offers: Sequence[Offer] = ()
    silent: str = ""
    """Why it did not answer, if it did not."""


class Source(Protocol):
    """Where offers come from."""

    async def offers(self, name: str, need: Need) -> Offered:
        """Of that cloud; raises `CloudError`."""


class Anew:
    """Each cloud is asked, for nobody rents at a price that is only remembered."""

    def __init__(self, clouds: Clouds) -> None:
        self._clouds = clouds

    async def offers(self, name: str, need: Need) -> Offered:
        cloud = self._clouds.get(name)
        return Offered(await remembered().anew(name, need, lambda: cloud.offers(need)))


class Browsed:
    """For those who only look: what was offered a moment ago, asked for once however many look."""

    async def offers(self, name: str, need: Need) -> Offered:
        kept = await remembered().get(name, need, lambda: self._asked(name, need))
        if not kept.is_stale:
            return Offered(kept.value)
        age = spoken(timedelta(seconds=kept.age))
        return Offered(kept.value, f"{name} does not answer now: what it offers is of {age} ago")

    async def _asked(self, name: str, need: Need) -> Sequence[Offer]:
        """By connections of its own: whoever was the first to look may have gone."""
        clouds = Clouds()
        try:
            return await clouds.get(name).offers(need)
        finally:
            await clouds.close()


async def search(need: Need, clouds: Clouds, source: Source | None = None) -> Found:
    """Offers that fit, cheapest first, asked for anew. Raises `NothingFits` with what excludes how many.

    Pretend offers are for those who ask for them: nobody who wants a GPU is given a pretence of one.
    """
    need = replace(need, gpu_titles=gpus.titles_wanted(need.gpus))
    names = need.providers or [name for name in await asyncio.to_thread(clouds_set_up) if _is_meant(name, clouds)]
    settings.check(names)
    source = source or Anew(clouds)
    answers = await asyncio.gather(*(_ask(name, need, source) for name in names))
    offers = [offer for answer in answers for offer in answer.offers]
    silent = [answer.silent for answer in answers if answer.silent]
    fitting = sorted(
        (offer for offer in offers if not need.lacks(offer)), key=lambda offer: (offer.price, offer.offer_id)
    )
    if not fitting:
        raise _nothing(need, offers, silent, names)
    return Found(fitting, silent)


def _is_meant(name: str, clouds: Clouds) -> bool:
    return settings.is_enabled(name) and not _is_pretend(name, clouds)


def _is_pretend(name: str, clouds: Clouds) -> bool:
    try:
        return clouds.get(name).traits.is_pretend
    except ProviderMissing:
        return False  # which is said when it is asked


async def _ask(name: str, need: Need, source: Source) -> Offered:
    if not settings.is_enabled(name):
        return Offered(silent=f"{name} is switched off ({settings.enabled(name).name})")
    try:
        return await source.offers(name, need)
    except CloudError as error:
        return Offered(silent=f"{name} could not be asked: {error.what.rstrip('.')}")


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
