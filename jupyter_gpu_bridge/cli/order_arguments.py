"""What an order is made of, as options. What is not given is not in the arguments: it stays as it was."""

from __future__ import annotations

import argparse
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from jupyter_gpu_bridge import durations
from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.model import Money, Ranking

_CATEGORIES = ("consumer", "professional", "datacenter")
_STOCK = ("low", "medium", "high")
_MORE = "; more than once: any of them"


def need_arguments(verb: argparse._ActionsContainer, *, ranking: str) -> None:
    """What an offer must have. `ranking`: what the option is called that says which comes first."""

    def option(name: str, text: str, **more: Any) -> None:
        verb.add_argument(name, help=text, default=argparse.SUPPRESS, **more)

    def several(name: str, text: str, metavar: str = "NAME", **more: Any) -> None:
        option(name, f"{text}{_MORE}", metavar=metavar, action="append", **more)

    several("--gpu", "for example A100, in any variant", "MODEL")
    option("--gpus", "how many; usually 1", metavar="N", type=int)
    option("--gpu-memory", "of each, at least", metavar="GIB", type=int)
    several("--category", "what its model was made for: " + ", ".join(_CATEGORIES), "KIND", choices=_CATEGORIES)
    option("--score", "of each GPU, at least: 100 is an RTX 4090, 150 an H100", metavar="N", type=int)
    option("--capability", "compute capability, at least", metavar="VERSION")
    several("--provider", "look there only; `sandbox` pretends")
    several("--region", "only there, as its provider calls it")
    several("--tier", "where it stands, in its provider's word: secure, community, datacenter")
    several("--offer", "this very offer, as `search` shows it", "OFFER")
    option("--max-price", "per hour, for the whole machine; `none`: any price", metavar="DOLLARS", type=sum_or_none)
    option("--min-price", "per hour; `none`: any price", metavar="DOLLARS", type=sum_or_none)
    option("--spot", "it may be taken back by its provider", action=argparse.BooleanOptionalAction)
    option("--only-spot", "nothing but what may be taken back", action=argparse.BooleanOptionalAction)
    option("--available-for", "it can be had for so long", dest="lasts", metavar="TIME", type=time_or_none)
    option("--stock", "how likely it is to be had, at least: " + ", ".join(_STOCK), choices=_STOCK, metavar="LEVEL")
    option("--reliability", "as its provider measures it, at least: 0.98 or 98%%", metavar="SHARE", type=_share)
    option("--verified", "its provider has looked at it", action=argparse.BooleanOptionalAction)
    option("--cpus", "at least", metavar="N", type=int)
    option("--memory", "of the machine, at least", metavar="GIB", type=int)
    option("--disk", "at least", metavar="GIB", type=int)
    option("--down", "what it can receive, at least", metavar="MBPS", type=int)
    option("--up", "what it can send, at least", metavar="MBPS", type=int)
    option("--cuda", "its driver takes this version: 12.4", metavar="VERSION")
    orders = ", ".join(each.value for each in Ranking)
    option(ranking, f"which comes first: {orders}; usually price", dest="ranking", metavar="WHAT",
           choices=[each.value for each in Ranking])  # fmt: skip


def limit_arguments(verb: argparse._ActionsContainer) -> None:
    """How far an order may go, and how its machine is made."""

    def option(name: str, text: str, **more: Any) -> None:
        verb.add_argument(name, help=text, default=argparse.SUPPRESS, **more)

    option("--budget", "for this rental, all in all; `none`: no budget", metavar="DOLLARS", type=sum_or_none)
    option("--for", "it ends then; usually 8h", dest="deadline", metavar="TIME", type=duration)
    option("--idle", "unused so long, it ends; usually 30m; `none`: never", metavar="TIME", type=time_or_none)
    option("--lease", "unreachable so long, it ends; usually 20m", metavar="TIME", type=duration)
    option("--busy", "what a busy kernel does then; usually finish", choices=("finish", "stop"))
    set_up = "keep a machine whose set-up fails for half an hour"
    option("--keep-failed", set_up, action=argparse.BooleanOptionalAction)
    unguarded = "for more than 24h, also where nothing ends it if this computer is off"
    option("--unguarded", unguarded, action=argparse.BooleanOptionalAction)
    option("--image", "the image that the machine starts from; its provider's usual one otherwise", metavar="IMAGE")


def duration(text: str) -> timedelta:
    try:
        return durations.parse(text)
    except BadRequest as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def money(text: str) -> Money:
    try:
        return Money.parse(text)
    except BadRequest as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def sum_or_none(text: str) -> Money | str:
    return "none" if text.lower() == "none" else money(text)


def time_or_none(text: str) -> Any:
    return None if text.lower() == "none" else duration(text)


def _share(text: str) -> Decimal | None:
    """`none`: it does not matter."""
    if text.lower() == "none":
        return None
    try:
        share = Decimal(text[:-1]) / 100 if text.endswith("%") else Decimal(text)
    except InvalidOperation:
        share = Decimal(-1)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share; write for example 0.98 or 98%")
    return share
