"""The offers of one provider in columns, so that a hundred thousand are filtered and sorted in a few milliseconds.

A column is made when it is asked for first. See decision 0010.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_gpu_bridge.market import facts
from jupyter_gpu_bridge.market.conditions import Condition, OneOf
from jupyter_gpu_bridge.market.lessons import NOTHING, Lessons
from jupyter_gpu_bridge.market.ranking import FORMULAS
from jupyter_gpu_bridge.model import Offer, Place, Ranking
from jupyter_gpu_bridge.model.query import Excluded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Truths = NDArray[np.bool_]
    Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The first of those that fit, the best first, each with what puts it there: comparable with those of others."""

    rows: Sequence[tuple[tuple[float, ...], Offer]]
    fitting: int
    excluded: Sequence[Excluded]


class Columns:
    """In the order of their names, which decides between equals, so that pages never overlap."""

    def __init__(self, offers: Iterable[Offer]) -> None:
        self.offers = sorted(offers, key=lambda offer: (offer.provider, offer.offer_id))
        self._numbers: dict[str, Numbers] = {}
        self._words: dict[str, tuple[Places, dict[str, int]]] = {}
        self._making = threading.Lock()

    def __len__(self) -> int:
        return len(self.offers)

    def choose(self, asked: Sequence[Condition], ranking: Ranking, count: int, lessons: Lessons = NOTHING) -> Chosen:
        """`count`: at most so many rows."""
        import numpy as np

        masks = [self._mask(condition) for condition in asked]
        failed = np.zeros(len(self), np.int16)
        for mask in masks:
            failed += ~mask
        excluded = [
            Excluded(condition.phrase, int(lost), int((~mask & (failed == 1)).sum()), self._unsaid(condition, mask))
            for condition, mask in zip(asked, masks, strict=True)
            if (lost := len(self) - int(np.count_nonzero(mask)))
        ]
        fitting = np.flatnonzero(failed == 0)
        keys = [self._trouble(lessons), *self._formula(ranking, lessons), self.number("price")]
        rows = [(tuple(float(key[at]) for key in keys), self.offers[at]) for at in _first(fitting, keys, count)]
        return Chosen(rows, len(fitting), excluded)

    def number(self, name: str) -> Numbers:
        import numpy as np

        with self._making:
            if name not in self._numbers:
                of = facts.NUMBERS[name]
                self._numbers[name] = np.fromiter((of(offer) for offer in self.offers), np.float64, len(self))
            return self._numbers[name]

    def _word(self, name: str) -> tuple[Places, dict[str, int]]:
        """Each as a number, and which number is which word."""
        import numpy as np

        with self._making:
            if name not in self._words:
                codes: dict[str, int] = {}
                of = facts.WORDS[name]
                column = np.fromiter(
                    (codes.setdefault(of(offer), len(codes)) for offer in self.offers), np.intp, len(self)
                )
                self._words[name] = column, codes
            return self._words[name]

    def _mask(self, condition: Condition) -> Truths:
        import numpy as np

        if not isinstance(condition, OneOf):
            mask: Truths = condition.of(self.number(condition.fact))
            return mask
        column, codes = self._word(condition.fact)
        meant = np.zeros(len(codes) or 1, np.bool_)
        meant[[code for word, code in codes.items() if condition.has(word)]] = True
        return meant[column]

    def _unsaid(self, condition: Condition, mask: Truths) -> int:
        import numpy as np

        if isinstance(condition, OneOf):
            column, codes = self._word(condition.fact)
            return int(np.count_nonzero(~mask & (column == codes.get("", -1))))
        return int(np.count_nonzero(np.isnan(self.number(condition.fact))))

    def _trouble(self, lessons: Lessons) -> Numbers:
        import numpy as np

        column = np.zeros(len(self))
        for place, known in lessons.reputations.items():
            if known.sinks:
                column[self._at(place)] = 1.0
        return column

    def _at(self, place: Place) -> Truths:
        where = self._is("provider", place.provider) & self._is("host", place.host)
        return where if place.host else where & self._is("gpu", place.gpu) & self._is("tier", place.tier)

    def _boot(self, lessons: Lessons) -> Numbers:
        import numpy as np

        column = np.full(len(self), facts.UNKNOWN)
        for (provider, gpu), took in lessons.boot_times.items():
            column[self._is("provider", provider) & self._is("gpu", gpu)] = took.total_seconds()
        return column

    def _is(self, fact: str, word: str) -> Truths:
        column, codes = self._word(fact)
        mask: Truths = column == codes.get(word.casefold(), -1)
        return mask

    def _formula(self, ranking: Ranking, lessons: Lessons) -> Sequence[Numbers]:
        import numpy as np

        def fact(name: str) -> Numbers:
            return self._boot(lessons) if name == "boot" else self.number(name)

        with np.errstate(divide="ignore", invalid="ignore"):
            made: Sequence[Any] = FORMULAS[ranking](fact)
        return [np.where(np.isnan(column), np.inf, column) for column in made]


def _first(places: Places, keys: Sequence[Numbers], count: int) -> Places:
    """The first so many by these keys, in order; equals as they stand."""
    import numpy as np

    chosen = _lowest(places, keys, count)
    order = np.lexsort((chosen, *(key[chosen] for key in reversed(keys))))
    return chosen[order][:count]


def _lowest(places: Places, keys: Sequence[Numbers], count: int) -> Places:
    """The first so many by these keys, in no order: one key after the other decides among those that are equal."""
    import numpy as np

    if len(places) <= count or count <= 0:
        return places[: max(0, count)] if count <= 0 else places
    if not keys:
        return places[:count]
    values = keys[0][places]
    bound = np.partition(values, count - 1)[count - 1]
    certain = places[values < bound]
    return np.concatenate((certain, _lowest(places[values == bound], keys[1:], count - len(certain))))
