"""`jupyter gpu history`, `market`."""

from __future__ import annotations

from argparse import Namespace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING

from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.cli.chart import letters, line
from jupyter_gpu_bridge.cli.screen import Screen, ago
from jupyter_gpu_bridge.model import Money

if TYPE_CHECKING:
    from jupyter_gpu_bridge.bridge import Overview, PriceHistory, SoldBy
    from jupyter_gpu_bridge.market.statistics import Figures

_WIDTH = 30
_STALE = timedelta(hours=1)

_TITLES = (
    "PROVIDER", "MODEL", "SOLD", "NOW", "SINCE", "LOW 7 D", "MEDIAN", "LOW 30 D", "MEDIAN", "CHANGE", "AVAILABLE",
)  # fmt: skip


async def run(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    if arguments.noun == "market":
        return await _market(arguments, bridge, screen)
    return await _history(arguments, bridge, screen)


async def _history(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    from jupyter_gpu_bridge.market.written import history_as_csv, history_as_plain

    history = await bridge.price_history(" ".join(arguments.gpu), arguments.provider, arguments.days)
    if arguments.csv:
        print(history_as_csv(history), end="")
        return 0
    screen.data(history_as_plain(history))
    if not history.sold:
        where = f" at {arguments.provider}" if arguments.provider else ""
        screen.say(f"Nothing is known yet of what {' or '.join(history.titles)} cost{where}.")
        screen.say("Prices are written down whenever offers are looked at, for example by: jupyter gpu market")
        for name in history.left_out:
            screen.say(f"There is a pretence of it: --provider {name}")
        return 0
    screen.table((*_TITLES, f"{arguments.days} DAYS"), [_history_row(sold, history) for sold in history.sold])
    screen.note("Of one GPU for an hour: the lowest price, its change within 30 days, and how much of the time that")
    screen.note("anybody looked it was offered then. A line goes from its lowest price to its highest.")
    return 0


def _history_row(sold: SoldBy, history: PriceHistory) -> tuple[str, ...]:
    from jupyter_gpu_bridge.market.history import columns

    now, week, month = sold.now, sold.week, sold.month
    price = _price(now.prices.low)
    if now.looked is not None and datetime.now(timezone.utc) - now.looked > _STALE:
        price = f"{price} ({ago(now.looked)})"
    return (
        sold.provider, sold.gpu, _kind(sold.is_spot, sold.is_pretend), price, ago(now.since),
        _price(week.low), _price(week.median), _price(month.low), _price(month.median),
        _percent(month.change), _share(month.availability),
        line(columns(sold, history.window, _WIDTH), letters()),
    )  # fmt: skip


async def _market(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    from jupyter_gpu_bridge.market.written import overview_as_plain

    overview = await bridge.market_statistics(arguments.provider)
    screen.data(overview_as_plain(overview))
    _tell(overview, screen)
    for silent in overview.silent:
        screen.note(f"{silent}.")
    return 0


def _tell(overview: Overview, screen: Screen) -> None:
    found = overview.statistics
    if found.total is None:
        screen.say("No machine with a GPU is offered now.")
        return
    screen.table(
        ("MODEL", "SOLD", "OFFERS", "GPUS", "LOW", "AVERAGE", "HIGH", "PROVIDERS"),
        [
            (model.gpu, _kind(model.is_spot, model.is_pretend), *_cells(model.figures), ", ".join(model.providers))
            for model in found.models
        ],
    )
    screen.say("")
    screen.table(
        ("PROVIDER", "MODELS", "OFFERS", "GPUS", "LOW", "AVERAGE", "HIGH"),
        [(each.provider, str(each.models), *_cells(each.figures)) for each in found.providers],
    )
    screen.say("")
    total = found.total
    screen.say(
        f"{_many(total.offers, 'offer')} of {_many(found.model_count, 'model')} "
        f"by {_many(len(found.providers), 'provider')}; "
        f"one GPU costs {total.low} to {total.high} for an hour, {_rounded(total.average)} on average."
    )
    screen.note("What is offered in several ways counts once; not every provider says how many GPUs there are.")


def _cells(figures: Figures) -> tuple[str, ...]:
    low, average, high = (_rounded(price) for price in (figures.low, figures.average, figures.high))
    return str(figures.offers), str(figures.gpus), low, average, high


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _kind(is_spot: bool, is_pretend: bool) -> str:
    return ("spot" if is_spot else "on demand") + (", pretend" if is_pretend else "")


def _price(price: Money | None) -> str:
    return "-" if price is None else _rounded(price)


def _rounded(price: Money) -> str:
    """To a hundredth of a cent, which is more than tells two offers apart."""
    return str(Money((price.micros + 50) // 100 * 100))


def _percent(change: Decimal | None) -> str:
    return "-" if change is None else f"{change:+} %"


def _share(share: Decimal | None) -> str:
    return "-" if share is None else f"{share:.0%}"
