"""What can be written after `jupyter gpu` about rented machines."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from jupyter_gpu_bridge.cli.order_arguments import duration, limit_arguments, need_arguments, sum_or_none
from jupyter_gpu_bridge.model import Money

Add = Callable[[Any, str, str], argparse.ArgumentParser]

_MOST_DAYS = 36_500

ID_HELP = "its id as `ls` or `costs` shows it, or the beginning of it, or what it is for"


def add_rental_nouns(nouns: Any, add: Add) -> None:
    rent = add(nouns, "rent", "rent a machine, and say what it may cost before")
    what = "in a few words, for example: cheapest with 24 GB; fastest under $2; best value 2 x H100"
    rent.add_argument("words", metavar="WORDS", nargs="*", help=what)
    need_arguments(rent, ranking="--prefer")
    limit_arguments(rent)
    rent.add_argument("--python", metavar="PATH", help="the Python to use on the machine")
    rent.add_argument("--name", metavar="NAME", help="what to call it; one machine of a name at a time")
    rent.add_argument("--yes", action="store_true", help="do not ask before money is spent")
    listing = add(nouns, "ls", "show what is rented")
    listing.add_argument("--all", action="store_true", help="also what is over")
    show = add(nouns, "show", "all that is known of a rental: stages, events, cost")
    show.add_argument("id", metavar="ID", help=ID_HELP)
    check = add(nouns, "check", "measure what the GPUs of a machine really do, in some ten seconds")
    check.add_argument("id", metavar="ID", help=f"of a rental: {ID_HELP}; or the name of a host, or local")
    extend = add(nouns, "extend", "put off the deadline of a rental")
    extend.add_argument("id", metavar="ID", help=ID_HELP)
    extend.add_argument("more", metavar="TIME", type=duration, nargs="?", default="30m", help="30m without it")
    stop = add(nouns, "stop", "end rented machines")
    stop.add_argument("ids", metavar="ID", nargs="*", help="their ids, or the beginnings of them")
    stop.add_argument("--all", action="store_true", help="all of them")
    stop.add_argument("--yes", action="store_true", help="do not ask, whatever is running there")
    stop.add_argument("--no-wait", action="store_true", help="do not wait until the provider shows that they are gone")
    costs = add(nouns, "costs", "what was spent")
    by = "what to sum up by: rental, provider, or day (UTC); rental without it"
    costs.add_argument("--by", choices=("rental", "provider", "day"), default="rental", metavar="WHAT", help=by)
    costs.add_argument("--days", type=_days, metavar="N", help="of the last N days only; 1: today (UTC)")
    costs.add_argument("--csv", action="store_true", help="as a table for other programs")
    orphans = add(
        nouns, "orphans", "look after everything, and show machines of ours that nobody knew of: they are ended"
    )
    orphans.add_argument(
        "--keep", metavar="NAME", help="do not end this one: it is yours, and costs money until you stop it"
    )
    orphans.add_argument("--end", metavar="NAME", help="end this one: whoever has rented it elsewhere is gone")
    guard = add(nouns, "guard", "look after everything that is rented, once; for the system to run every few minutes")
    guard.add_argument("action", choices=("install", "remove", "status"), nargs="?", metavar="install|remove|status")
    limits = add(nouns, "limits", "what may be spent over all rentals; without an option, show it")
    for name, text in (
        ("day", "in a day (UTC)"),
        ("month", "in a month"),
        ("hour-at-once", "by all machines together"),
    ):
        limits.add_argument(f"--per-{name}", metavar="DOLLARS", type=_limit_or_none, help=f"{text}; `none`: no limit")
    limits.add_argument("--live-at-once", metavar="N", type=_count_or_none, help="machines at a time; `none`: no limit")


def _limit_or_none(text: str) -> Money | str:
    limit = sum_or_none(text)
    if isinstance(limit, Money) and limit < Money():
        raise argparse.ArgumentTypeError(f"{text} is less than nothing; 0 allows nothing, `none` is no limit")
    return limit


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 5 and 1 <= int(text) <= _MOST_DAYS):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days from 1 to {_MOST_DAYS}")
    return int(text)


def _count_or_none(text: str) -> int | str:
    if text.lower() == "none":
        return "none"
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of machines")
    return int(text)
