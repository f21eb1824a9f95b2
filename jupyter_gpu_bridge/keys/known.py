"""Which providers take a key: those that we know, and those whose adapters others have installed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jupyter_gpu_bridge.keys.place import KeyPlace

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

GROUP = "jupyter_gpu_bridge.providers"
"""Entry points of others: a name, and a callable without arguments that makes a `Provider`; its `key` is a place."""

RUNPOD = KeyPlace(
    "runpod",
    ("RUNPOD_API_KEY",),
    "Make one in RunPod's console, under Settings, API Keys, with the permission All; with Read Only nothing can be "
    "rented or ended.",
)
VAST = KeyPlace(
    "vast",
    ("VAST_API_KEY", "VASTAI_API_KEY", "VAST_AI_API_KEY"),
    "Make one in Vast.ai's console, under Keys; it needs misc, user_read, instance_read and instance_write.",
)
LAMBDA = KeyPlace(
    "lambda",
    ("LAMBDA_API_KEY", "LAMBDA_CLOUD_API_TOKEN"),
    "Make one in Lambda's cloud console, under API keys; every key there has all rights.",
)

_OURS = (LAMBDA, RUNPOD, VAST)


def places() -> Sequence[KeyPlace]:
    """By provider. What others have installed is loaded for it; one that cannot be loaded has no place."""
    ours = {place.provider: place for place in _OURS}
    theirs = {place.provider: place for place in _of_others()}
    return [place for _, place in sorted({**theirs, **ours}.items())]


def names() -> Sequence[str]:
    """Of all that may take a key; nothing is loaded for it."""
    return sorted({*(place.provider for place in _OURS), *(point.name for point in _entry_points())})


def place_of(provider: str) -> KeyPlace | None:
    return next((place for place in places() if place.provider == provider), None)


def variables() -> frozenset[str]:
    """All that may hold a key: they go to wardens, and nowhere else."""
    return frozenset(name for place in places() for name in place.variables)


def _of_others() -> Sequence[KeyPlace]:
    found = []
    for point in _entry_points():
        try:
            place = getattr(point.load(), "key", None)
        except Exception:  # noqa: S112 - code of others; who asks that provider for anything is told
            continue
        if isinstance(place, KeyPlace):
            found.append(place)
    return found


def _entry_points() -> EntryPoints:
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)
