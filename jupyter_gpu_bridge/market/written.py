"""The market for other programs. Money is exact text in dollars: a number would be a float somewhere."""

from __future__ import annotations

import csv
import io

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.market.history import Point, PriceHistory, SoldBy, Span, Trend
from jupyter_gpu_bridge.market.overview import Overview
from jupyter_gpu_bridge.market.statistics import Figures
from jupyter_gpu_bridge.model import Money
from jupyter_gpu_bridge.plain import Plain

_CURRENCY = "USD"
_COLUMNS = (
    "provider", "gpu", "is_spot", "at", "offers", "low", "median", "high", "currency", "is_pretend",
)  # fmt: skip


def history_as_plain(history: PriceHistory) -> Plain:
    """All prices are of one GPU for an hour; null where it was not offered."""
    return {
        "gpu": history.gpu,
        "titles": list(history.titles),
        **_span(history.window),
        "currency": _CURRENCY,
        "sold": [_sold(each) for each in history.sold],
    }


def history_as_csv(history: PriceHistory) -> str:
    """A row for each change."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for sold in history.sold:
        for point in sold.points:
            named = (sold.provider, sold.gpu, sold.is_spot)
            row = (*named, *_point(point).values(), _CURRENCY, sold.is_pretend)
            writer.writerow([plain.cell(value) for value in row])
    return text.getvalue()


def overview_as_plain(overview: Overview) -> Plain:
    found = overview.statistics
    return {
        "currency": _CURRENCY,
        "total": None if found.total is None else {**_figures(found.total), "models": found.model_count},
        "models": [
            {
                "gpu": model.gpu,
                "spot": model.is_spot,
                **_figures(model.figures),
                "providers": list(model.providers),
                "pretend": model.is_pretend,
            }
            for model in found.models
        ],
        "providers": [
            {
                "provider": each.provider,
                **_figures(each.figures),
                "models": each.models,
                "pretend": each.is_pretend,
            }
            for each in found.providers
        ],
        "silent": list(overview.silent),
    }


def _figures(value: Figures) -> Plain:
    return {
        "offers": value.offers,
        "gpus": value.gpus,
        "low": value.low.exact(),
        "average": value.average.exact(),
        "high": value.high.exact(),
    }


def _sold(sold: SoldBy) -> Plain:
    now = sold.now
    return {
        "provider": sold.provider,
        "gpu": sold.gpu,
        "spot": sold.is_spot,
        "pretend": sold.is_pretend,
        "now": {
            "offers": now.prices.offers,
            "low": _money(now.prices.low),
            "median": _money(now.prices.median),
            "high": _money(now.prices.high),
            "since": plain.moment(now.since),
            "looked": plain.moment(now.looked),
        },
        "trends": [_trend(sold.week), _trend(sold.month)],
        "points": [_point(point) for point in sold.points],
        "known": [_span(span) for span in sold.known],
    }


def _trend(trend: Trend) -> Plain:
    """`change` in percent, `availability` as a share of one; exact text, as money is."""
    return {
        "days": trend.days,
        "low": _money(trend.low),
        "median": _money(trend.median),
        "change": None if trend.change is None else str(trend.change),
        "availability": None if trend.availability is None else str(trend.availability),
        "known_seconds": trend.known.total_seconds(),
        "offered_seconds": trend.offered.total_seconds(),
    }


def _point(point: Point) -> dict[str, str | int | None]:
    prices = point.prices
    return {
        "at": point.at.isoformat(),
        "offers": prices.offers,
        "low": _money(prices.low),
        "median": _money(prices.median),
        "high": _money(prices.high),
    }


def _span(span: Span) -> Plain:
    return {"since": span.since.isoformat(), "until": span.until.isoformat()}


def _money(value: Money | None) -> str | None:
    return None if value is None else value.exact()
