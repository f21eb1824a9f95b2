"""The ground: times as people write and say them: `45m`, `8h`, `1h30m`, `2d`."""

from __future__ import annotations

import re
from datetime import timedelta

from jupyter_gpu_bridge.errors import BadRequest

_PART = re.compile(r"(\d+)\s*([smhd])")
_UNITS = {
    "d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1), "s": timedelta(seconds=1),
}  # fmt: skip


def parse(text: str) -> timedelta:
    """Raises `BadRequest`."""
    parts = _PART.findall(text.lower())
    if not parts or _PART.sub("", text.lower()).strip():
        raise BadRequest(f"{text!r} is no time.", advice="Write for example 45m, 8h or 1h30m.")
    try:
        return sum((int(count) * _UNITS[unit] for count, unit in parts), timedelta())
    except OverflowError:
        raise BadRequest(f"{text!r} is longer than anything lasts.") from None


def written(time: timedelta) -> str:
    """As `parse` reads it; whole seconds."""
    left = max(time, timedelta())
    parts = []
    for unit, size in _UNITS.items():
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def spoken(time: timedelta) -> str:
    """The largest two units that are not zero."""
    seconds = max(0, int(time.total_seconds()))
    parts = []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
