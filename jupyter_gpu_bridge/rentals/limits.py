"""What the user allows to be spent, over all rentals; kept in a file beside the ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from jupyter_gpu_bridge import settings
from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.files import replace_file
from jupyter_gpu_bridge.model import Money
from jupyter_gpu_bridge.rentals.ledger import Limits

_SUMS = ("per_day", "per_month", "per_hour_at_once")
_NAMES = (*_SUMS, "live_at_once")


def user_limits() -> Limits:
    """Raises `BadRequest` for a file that makes no sense: no limit is safer than a forgotten one."""
    path = limits_file()
    try:
        return _understood(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return Limits()
    except BadRequest as error:
        raise _unreadable(path, error.what) from None
    except (ValueError, TypeError, AttributeError):
        raise _unreadable(path) from None


def set_limits(limits: Limits) -> None:
    """Raises `BadRequest` for less than nothing."""
    _check(limits)
    described = {name: None if (sum_ := getattr(limits, name)) is None else str(sum_) for name in _SUMS}
    text = json.dumps({**described, "live_at_once": limits.live_at_once}, indent=1) + "\n"
    replace_file(limits_file(), text.encode())


def change_limits(changes: Mapping[str, Any]) -> Path | None:
    """All others stay as they are. Where a copy is of a file that made no sense and limits nothing any more, if it did.

    Until it is replaced it stays in its place: without a file, nothing would be limited for a moment.
    """
    aside = None
    try:
        before = user_limits()
    except BadRequest:
        before, aside = Limits(), limits_file().with_suffix(".json.broken")
        replace_file(aside, limits_file().read_bytes())
    set_limits(replace(before, **changes))
    return aside


def limits_file() -> Path:
    return settings.data_folder() / "limits.json"


def _understood(found: dict[str, Any]) -> Limits:
    unknown = sorted(set(found) - set(_NAMES))
    if unknown:
        raise BadRequest(f"There is no limit {unknown[0]!r}.")
    sums = {name: Money.parse(found[name]) for name in _SUMS if found.get(name) is not None}
    at_once = found.get("live_at_once")
    limits = Limits(**sums, live_at_once=None if at_once is None else int(at_once))
    _check(limits)
    return limits


def _check(limits: Limits) -> None:
    for name in _SUMS:
        sum_ = getattr(limits, name)
        if sum_ is not None and sum_ < Money():
            raise BadRequest(f"The limit {name} of {sum_} is less than nothing.", advice="Nothing at all is 0.")
    if limits.live_at_once is not None and limits.live_at_once < 0:
        raise BadRequest(f"{limits.live_at_once} is no number of machines.", advice="Nothing at all is 0.")


def _unreadable(path: Path, why: str = "") -> BadRequest:
    return BadRequest(
        f"The limits in {path} cannot be read, so nothing is rented. {why}".strip(),
        advice=f"Mend the file (it has {', '.join(_NAMES)}), or set all limits anew: jupyter gpu limits --per-day 5",
    )
