"""From single facts to what is thought of each place; pure, so that it can be tried on any story."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, cast

from jupyter_gpu_bridge.model import Offer, Outcome, Place, Reputation
from jupyter_gpu_bridge.model.experience import is_slow

_FAILURES = frozenset(outcome.value for outcome in Outcome if outcome.is_failure)
_NOT_AS_OFFERED = "its GPU is not what was offered"


class Happened(NamedTuple):
    """One outcome, as it was written down."""

    provider: str
    host: str
    gpu: str
    tier: str
    attempt_id: str
    what: str
    """May be a word of a newer version."""
    why: str
    at: datetime


class CheckedGpu(NamedTuple):
    """One GPU of one check."""

    provider: str
    host: str
    gpu: str
    tier: str
    attempt_id: str
    at: datetime
    bandwidth_share: float | None
    tflops_share: float | None
    is_another: bool

    @property
    def is_bad(self) -> bool:
        return self.is_another or is_slow(self.bandwidth_share, self.tflops_share)


def of_each(offers: Iterable[Offer], known: Mapping[Place, Reputation]) -> Sequence[Reputation | None]:
    """In the order of the offers, of which there may be a great many: as `known.get(Place.of(offer))`, and faster."""
    places = cast(Mapping[tuple[str, str, str, str], Reputation], known)  # to which a plain tuple is the same
    find = places.get
    return [
        find((one.provider, one.host, "", "") if one.host else (one.provider, "", one.gpu, one.tier)) for one in offers
    ]


def judged(outcomes: Sequence[Happened], checks: Sequence[CheckedGpu]) -> Mapping[Place, Reputation]:
    """Of every place that they speak of; both with the oldest first."""
    happened: defaultdict[Place, list[Happened]] = defaultdict(list)
    checked: defaultdict[Place, list[CheckedGpu]] = defaultdict(list)
    for outcome in outcomes:
        happened[_place(outcome)].append(outcome)
    for check in checks:
        checked[_place(check)].append(check)
    return {place: _judge(place, happened[place], checked[place]) for place in [*happened, *checked]}


def _place(fact: Happened | CheckedGpu) -> Place:
    return Place.where(fact.provider, fact.host, fact.gpu, fact.tier)


def _judge(place: Place, outcomes: Sequence[Happened], checks: Sequence[CheckedGpu]) -> Reputation:
    failures = {each.attempt_id: (each.at, each.why) for each in outcomes if each.what in _FAILURES}
    last = [each for each in checks if each.at == checks[-1].at]
    if not place.host:
        # One bad machine says little about all that a provider has of a GPU: it is one more that failed.
        failures.update({each.attempt_id: (each.at, _NOT_AS_OFFERED) for each in checks if each.is_bad})
        last = []
    tries = {each.attempt_id for each in outcomes} | failures.keys()
    at, why = max(failures.values(), default=(None, ""), key=lambda failure: failure[0])
    return Reputation(
        len(tries),
        len(failures),
        at,
        why,
        last[-1].at if last else None,
        _least(each.bandwidth_share for each in last),
        _least(each.tflops_share for each in last),
        any(each.is_another for each in last),
    )


def _least(shares: Iterable[float | None]) -> float | None:
    return min((share for share in shares if share is not None), default=None)
