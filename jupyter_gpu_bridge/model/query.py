"""What is looked for, and a page of what is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from jupyter_gpu_bridge.gpus import Figures
from jupyter_gpu_bridge.model.market import Need, Offer, Ranking


@dataclass(frozen=True, slots=True)
class Excluded:
    """What one condition leaves out."""

    phrase: str
    count: int
    alone: int
    """Of these nothing else is lacking: they would fit without this condition."""
    unsaid: int
    """Of these it is not known."""


@dataclass(frozen=True, slots=True)
class Query:
    need: Need = field(default_factory=Need)
    ranking: Ranking = Ranking.PRICE
    first: int = 0
    """How many rows come before."""
    count: int = 20


@dataclass(frozen=True, slots=True)
class Row:
    offer: Offer
    figures: Figures | None
    """None where its model is not known."""
    warning: str = ""
    """Why it comes after all others: what became of machines there."""
    boot: timedelta | None = None
    """How long it usually takes until such a machine can be used, where that is known."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Of one provider."""

    provider: str
    offered: int
    age: timedelta
    is_stale: bool
    silent: str
    """Why it did not answer; empty when it did."""
    after: timedelta
    """The beginning of this search."""


@dataclass(frozen=True, slots=True)
class Page:
    """What is known so far."""

    rows: Sequence[Row]
    fitting: int
    """All that fit, on whatever page."""
    answers: Sequence[Answer]
    awaited: Sequence[str]
    """Who has not answered yet; with nobody it is the last word."""
    excluded: Sequence[Excluded]
    hint: str = ""
    """What may have been meant by a name that nobody knows."""

    @property
    def offered(self) -> int:
        return sum(answer.offered for answer in self.answers)

    @property
    def why_empty(self) -> str:
        """One paragraph; empty when there is something."""
        if self.fitting:
            return ""
        if not self.answers and not self.awaited:
            return "No provider is set up. Try the pretend one (provider `sandbox`), or give a provider's key."
        silent = " ".join(f"{answer.silent}." for answer in self.answers if answer.silent)
        if not self.offered:
            return f"{self.hint}Nothing is offered now. {silent}".strip()
        most = sorted(self.excluded, key=lambda each: -each.count)
        parts = "; ".join(_excludes(each) for each in most)
        return f"{self.hint}None of {self.offered} offers fits: {parts}. {silent}".strip()


def _excludes(each: Excluded) -> str:
    more = [
        *([f"{each.unsaid} do not say"] if each.unsaid else []),
        *([f"{each.alone} by this alone"] if each.alone else []),
    ]
    return f"{each.phrase} excludes {each.count}" + (f" ({', '.join(more)})" if more else "")
