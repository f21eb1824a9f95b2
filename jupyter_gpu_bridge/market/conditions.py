"""What a need asks of an offer, as conditions that hold or do not, each with a phrase for people."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from jupyter_gpu_bridge.durations import spoken
from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.gpus import Category
from jupyter_gpu_bridge.market import facts
from jupyter_gpu_bridge.model import Need, Offer
from jupyter_gpu_bridge.naming import nearest


class Comparison(Enum):
    AT_LEAST = "at least"
    AT_MOST = "at most"


_COMPARED: dict[Comparison, Callable[[Any, Any], Any]] = {
    Comparison.AT_LEAST: operator.ge,
    Comparison.AT_MOST: operator.le,
}


@dataclass(frozen=True, slots=True)
class Bound:
    """A number that is not known is on no side of any bound."""

    phrase: str
    fact: str
    comparison: Comparison
    value: float

    def of(self, number: Any) -> Any:
        """For one number, or for a column of them."""
        return _COMPARED[self.comparison](number, self.value)


@dataclass(frozen=True, slots=True)
class OneOf:
    phrase: str
    fact: str
    words: frozenset[str]
    or_parts: bool = False
    """A word also holds for what begins with it: `us` for `us-east-1`."""

    def has(self, word: str) -> bool:
        if word in self.words:
            return True
        return self.or_parts and any(word.startswith((f"{each}-", f"{each},", f"{each} ")) for each in self.words)


Condition = Bound | OneOf


def conditions(need: Need) -> Sequence[Condition]:
    """Only of what is said: what does not matter is no condition."""
    said = [*_of_gpus(need), *_of_terms(need), *_of_host(need)]
    return [condition for condition in said if condition is not None]


def require_sense(need: Need) -> None:
    """Raises `BadRequest` for what nobody can have."""
    if min(need.gpu_count, need.gpu_memory_mib, need.disk_gib, need.cpus, need.memory_mib, need.score) < 0:
        raise BadRequest("Less than nothing cannot be rented.", advice="Leave out what does not matter.")
    if need.max_price is not None and need.max_price.micros < 0:
        raise BadRequest("A price below nothing is not offered.", advice="Give dollars per hour, for example 1.50")
    if need.min_price is not None and need.max_price is not None and need.min_price > need.max_price:
        raise BadRequest(f"No price is at least {need.min_price} and at most {need.max_price}.")
    for what, said, known in (
        *(("made for", category, [each.value for each in Category]) for category in need.categories),
        *([("stock", need.stock, facts.STOCK)] if need.stock else []),
    ):
        if said not in known:
            raise BadRequest(f"{what} {said!r} is not known.".capitalize(), advice=nearest(said, known))
    for what, said in (("CUDA", need.cuda), ("compute capability", need.compute_capability)):
        if said and math.isnan(facts.version(said)):
            raise BadRequest(f"{said!r} is no version of {what}.", advice="Write for example 12.4")


def _of_gpus(need: Need) -> Iterable[Condition | None]:
    count = need.gpu_count
    yield _one_of("GPU", "gpu", need.gpus, also=need.gpu_titles)
    yield _one_of("made for", "category", need.categories)
    yield _at_least(f"at least {count} GPU{'s' * (count > 1)}", "count", count)
    yield _at_least(f"{_size(need.gpu_memory_mib)} of GPU memory", "memory", need.gpu_memory_mib)
    yield _at_least(f"a score of at least {need.score}", "score", need.score)
    if not need.gpus and not need.offers:  # images and wheels are for x86, unless somebody names such a GPU
        yield Bound("an x86 host", "arm", Comparison.AT_MOST, 0)
    yield _version("compute capability", "capability", need.compute_capability)


def _of_terms(need: Need) -> Iterable[Condition | None]:
    if need.min_price is not None:
        yield Bound(f"at least {need.min_price} per hour", "price", Comparison.AT_LEAST, need.min_price.micros)
    if need.max_price is not None:
        yield Bound(f"at most {need.max_price} per hour", "price", Comparison.AT_MOST, need.max_price.micros)
    yield _one_of("provider", "provider", need.providers)
    yield _one_of("the offer", "offer", need.offers)
    yield _one_of("region", "region", need.regions, or_parts=True)
    yield _one_of("tier", "tier", need.tiers)
    if need.only_spot:
        yield Bound("spot only", "spot", Comparison.AT_LEAST, 1)
    elif not need.allows_spot:
        yield Bound("not to be taken back (no spot)", "spot", Comparison.AT_MOST, 0)
    if need.lasts is not None:
        yield _at_least(f"to be had for {spoken(need.lasts)}", "lasts", need.lasts.total_seconds())
    elif need.must_last is not None and not need.offers:
        yield _at_least(until_the_end(need.must_last), "lasts", need.must_last.total_seconds())
    if need.stock:
        yield _at_least(f"{need.stock} stock at least", "stock", facts.stock(need.stock))


def _of_host(need: Need) -> Iterable[Condition | None]:
    if need.reliability is not None:
        yield _at_least(f"{_percent(need.reliability)} reliable", "reliability", float(need.reliability))
    yield _at_least("verified by its provider", "verified", int(need.must_be_verified))
    yield _at_least(f"{need.cpus} CPUs", "cpus", need.cpus)
    yield _at_least(f"{_size(need.memory_mib)} of memory", "host_memory", need.memory_mib)
    yield _at_least(f"{need.disk_gib} GiB of disk", "disk", need.disk_gib)
    yield _at_least(f"{need.down_mbps} Mbit/s down", "down", need.down_mbps)
    yield _at_least(f"{need.up_mbps} Mbit/s up", "up", need.up_mbps)
    yield _version("CUDA", "cuda", need.cuda)
    yield _at_least("that the usual image runs on it (--image gives another)", "usual_image", int(need.for_usual_image))


def until_the_end(deadline: timedelta) -> str:
    return f"to be had until the deadline in {spoken(deadline)}"


def holds(condition: Condition, offer: Offer) -> bool:
    if isinstance(condition, OneOf):
        return condition.has(facts.WORDS[condition.fact](offer))
    return bool(condition.of(facts.NUMBERS[condition.fact](offer)))


def lacks(need: Need, offer: Offer) -> tuple[str, ...]:
    """As `lacking`, for a single offer."""
    return lacking(offer, conditions(need))


def lacking(offer: Offer, asked: Iterable[Condition]) -> tuple[str, ...]:
    """What the offer has not got, one short phrase for each; nothing when it fits."""
    return tuple(condition.phrase for condition in asked if not holds(condition, offer))


def _at_least(phrase: str, fact: str, value: float) -> Condition | None:
    """None asks for nothing."""
    return Bound(phrase, fact, Comparison.AT_LEAST, value) if value else None


def _version(what: str, fact: str, text: str) -> Condition | None:
    return Bound(f"{what} {text}", fact, Comparison.AT_LEAST, facts.version(text)) if text else None


def _one_of(
    what: str, fact: str, words: Sequence[str], also: Sequence[str] = (), *, or_parts: bool = False
) -> Condition | None:
    """Whatever stands in a text in capitals or not is the same."""
    if not words:
        return None
    return OneOf(f"{what} {' or '.join(words)}", fact, frozenset(word.casefold() for word in (*words, *also)), or_parts)


def _size(mib: int) -> str:
    return f"{mib // 1024} GiB" if mib % 1024 == 0 else f"{mib} MiB"


def _percent(share: Decimal) -> str:
    return f"{share * 100:f}".rstrip("0").rstrip(".") + " %" if share else "0 %"
