"""`jupyter gpu search`."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.bridge import Bridge, Query
from jupyter_gpu_bridge.cli.orders import order_of
from jupyter_gpu_bridge.cli.screen import Screen
from jupyter_gpu_bridge.durations import spoken
from jupyter_gpu_bridge.model import Need, Offer

if TYPE_CHECKING:
    from jupyter_gpu_bridge.bridge import Page, Row

_TITLES = ("OFFER", "GPU", "MEMORY", "PER HOUR", "SCORE", "RELIABLE", "WHERE", "KIND")
_FRESH = timedelta(seconds=5)


async def run(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    """1 when nothing fits."""
    order = order_of(arguments)
    query = Query(order.need, order.ranking, (arguments.page - 1) * arguments.rows, arguments.rows)
    page = await bridge.page(query, arguments.wait)
    screen.data(plain.page(page))
    if page.rows:
        screen.table(_TITLES, [_row(row) for row in page.rows])
        screen.note(_how_many(page, query))
    elif page.fitting:
        screen.say(f"{page.fitting} offers fit; there is no page {arguments.page}.")
    else:
        screen.say(page.why_empty)
    for text in _remarks(page, has_rows=bool(page.rows)):
        screen.note(text)
    return 0 if page.fitting else 1


def _row(row: Row) -> tuple[str, ...]:
    offer = row.offer
    kind = (
        "spot" if offer.is_spot else "on demand",
        offer.tier,
        "pretended" if offer.is_pretend else "",
        "needs an --image" if offer.needs_image else "",
        row.warning,
    )
    return (
        offer.name,
        offer.title,
        f"{offer.gpu_memory_mib / 1024:.3g} GiB" if offer.gpu_count else "-",
        str(offer.price),
        "-" if row.figures is None else row.figures.badge,
        "-" if offer.reliability is None else f"{offer.reliability * 100:.1f} %",
        offer.region or "-",
        ", ".join(word for word in kind if word),
    )


def _how_many(page: Page, query: Query) -> str:
    shown = f"{query.first + 1} to {query.first + len(page.rows)}"
    first = " ".join(shlex.quote(word) for word in _rented_by(page.rows[0].offer, query.need))
    return f"{shown} of {page.fitting} that fit, of {page.offered} offers. Rent the first: jupyter gpu rent {first}"


def _rented_by(offer: Offer, need: Need) -> Sequence[str]:
    """Words that mean this very one, at this price at most, as it was asked for."""
    words = ["--offer", offer.name, "--max-price", str(offer.price).removeprefix("$")]
    if need.gpu_count != 1:
        words += ["--gpus", str(need.gpu_count)]
    if need.disk_gib:
        words += ["--disk", str(need.disk_gib)]
    return words


def _remarks(page: Page, *, has_rows: bool) -> Sequence[str]:
    """What is not as fresh or as complete as it seems."""
    said = []
    for answer in page.answers:
        if answer.silent and has_rows:
            said.append(f"{answer.silent}.")
        elif answer.age > _FRESH and not answer.silent:
            said.append(f"{answer.provider}: as it was {spoken(answer.age)} ago.")
    if page.awaited:
        said.append(f"{' and '.join(page.awaited)} did not answer in time; --wait gives them more.")
    return said
