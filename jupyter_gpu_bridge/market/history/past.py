"""The past of a model at a provider: what changed, and when anybody looked; nothing is claimed of other times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from jupyter_gpu_bridge.market.history.snapshot import Prices

HOLDS = timedelta(hours=1)
"""What was seen is taken to be so until somebody looks again, for so long at most; what was after that is not known."""

NOT_OFFERED = Prices(0)


@dataclass(frozen=True, slots=True)
class Span:
    since: datetime
    until: datetime

    @property
    def length(self) -> timedelta:
        return self.until - self.since


@dataclass(frozen=True, slots=True)
class Point:
    """From then on it was so."""

    at: datetime
    prices: Prices


@dataclass(frozen=True, slots=True)
class Piece:
    """It was so all the time, as far as anybody could know."""

    span: Span
    prices: Prices


def known(looks: Iterable[Span], window: Span) -> Sequence[Span]:
    """The times within the window that somebody's looking covers; `looks`: the earliest first."""
    spans: list[Span] = []
    for look in looks:
        since, until = max(look.since, window.since), min(look.until + HOLDS, window.until)
        if since >= until and look.since != window.until:  # what was looked at just now counts, without any length
            continue
        if spans and since <= spans[-1].until:
            spans[-1] = Span(spans[-1].since, max(until, spans[-1].until))
        else:
            spans.append(Span(since, until))
    return spans


def pieces(points: Sequence[Point], spans: Iterable[Span]) -> Iterator[Piece]:
    """The known times, cut where something changed; before its first point a model was not offered.

    A moment that was looked at and has no length yet, such as now, is a piece as well. Both are in order of time.
    """
    prices, ahead = NOT_OFFERED, 0
    for span in spans:
        since = span.since
        while ahead < len(points) and points[ahead].at <= span.until:
            at = points[ahead].at
            if at > since:
                yield Piece(Span(since, at), prices)
                since = at
            prices, ahead = points[ahead].prices, ahead + 1
        yield Piece(Span(since, span.until), prices)
