"""From a need to the offers that meet it, the best first, as they are now; and why there are none."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jupyter_gpu_bridge import gpus
from jupyter_gpu_bridge.aside import aside
from jupyter_gpu_bridge.errors import BridgeError, NothingFits
from jupyter_gpu_bridge.market.conditions import Condition, conditions, lacking, until_the_end
from jupyter_gpu_bridge.market.intent import completed
from jupyter_gpu_bridge.market.lessons import NOTHING, Lessons, learned
from jupyter_gpu_bridge.market.ranking import ranked
from jupyter_gpu_bridge.market.sources import Anew, Source, ask, places_for
from jupyter_gpu_bridge.model import Need, Offer, Ranking
from jupyter_gpu_bridge.providers import health
from jupyter_gpu_bridge.providers.clouds import Clouds

_WITHIN = 20.0
"""Seconds: whoever rents does not wait longer for one that hangs."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was offered, and who could not be asked."""

    offers: Sequence[Offer]
    silent: Sequence[str]
    """One phrase for each cloud that did not answer, also where it is known what it offered before."""
    lessons: Lessons = NOTHING
    """By which some come after all others."""


async def search(need: Need, clouds: Clouds, source: Source | None = None, ranking: Ranking = Ranking.PRICE) -> Found:
    """Offers that fit, asked for anew. Raises `NothingFits` with what excludes how many."""
    need = completed(need)
    names = await places_for(need, clouds)
    source = source or Anew(clouds)
    asking = asyncio.gather(*(ask(name, need, source, _WITHIN) for name in names))
    lessons, answers = await asyncio.gather(asyncio.to_thread(learned, names), asking)
    offers = [offer for answer in answers for offer in answer.offers]
    silent = [answer.silent for answer in answers if answer.silent]
    asked = conditions(need)
    weights = {name: health.weight(name) for name in names}  # which is known in this very thread
    fitting = await aside(offers, _judged, offers, asked, ranking, lessons, weights)
    if not fitting:
        raise await aside(offers, nothing_fits, need, asked, offers, silent, names)
    return Found(fitting, silent, lessons)


def _judged(
    offers: Sequence[Offer],
    asked: Sequence[Condition],
    ranking: Ranking,
    lessons: Lessons,
    weights: Mapping[str, float],
) -> Sequence[Offer]:
    fitting = (offer for offer in offers if not lacking(offer, asked))
    return ranked(fitting, ranking, lessons=lessons, weight=lambda name: weights.get(name, 1.0))


def nothing_fits(
    need: Need, asked: Sequence[Condition], offers: Sequence[Offer], silent: Sequence[str], names: Sequence[str]
) -> BridgeError:
    """Why not, and what to do about it."""
    if not names:
        return NothingFits(
            "No provider is set up.", advice="Try the pretend one (provider `sandbox`), or give a provider's key."
        )
    missing = Counter(phrase for offer in offers for phrase in lacking(offer, asked))
    excluded = "; ".join(f"{phrase} excludes {count}" for phrase, count in missing.most_common())
    what = f"None of {len(offers)} offers fits: {excluded}." if offers else "Nothing is offered now."
    if silent:
        what = f"{what} {'; '.join(silent)}."
    advice = f"{_sooner(need, asked, offers)}Ask for less, or try again later. Nothing was rented."
    return NothingFits(what, advice=f"{misspelt(need, {offer.gpu.casefold() for offer in offers})}{advice}")


def _sooner(need: Need, asked: Sequence[Condition], offers: Sequence[Offer]) -> str:
    """What helps where all that is lacking is that it can be had for long enough."""
    if need.must_last is None or (until_the_end(need.must_last),) not in {lacking(offer, asked) for offer in offers}:
        return ""
    return "Take an earlier deadline (--for), or say for how long is enough (--available-for). "


def misspelt(need: Need, offered: set[str]) -> str:
    """What might have been meant by a GPU that neither the catalogue nor any offer has."""
    for name in need.gpus:
        if name.casefold() not in offered and not gpus.identify(name).is_known and (close := gpus.near(name)):
            return f"{name!r} is no GPU that is known; did you mean {' or '.join(close)}? "
    return ""
