"""The ground: the GPUs that are known, what they can do, and what everybody calls them.

Everything here is loaded when it is asked for first: a start of a server or of a command does not pay for it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_gpu_bridge.gpus.catalogue import Category, Model, Units, groups, models
    from jupyter_gpu_bridge.gpus.explaining import Explained, explain, near
    from jupyter_gpu_bridge.gpus.identified import Identified
    from jupyter_gpu_bridge.gpus.identifying import identify, identify_each, identify_first
    from jupyter_gpu_bridge.gpus.score import Figures, estimate
    from jupyter_gpu_bridge.gpus.unknown import UnknownNames, unknown_names
    from jupyter_gpu_bridge.gpus.wanted import models_wanted, titles_wanted

__all__ = [
    "Category",
    "Explained",
    "Figures",
    "Identified",
    "Model",
    "Units",
    "UnknownNames",
    "estimate",
    "explain",
    "groups",
    "identify",
    "identify_each",
    "identify_first",
    "models",
    "models_wanted",
    "near",
    "titles_wanted",
    "unknown_names",
]

_PLACES = {
    "catalogue": ("Category", "Model", "Units", "groups", "models"),
    "explaining": ("Explained", "explain", "near"),
    "identified": ("Identified",),
    "identifying": ("identify", "identify_each", "identify_first"),
    "score": ("Figures", "estimate"),
    "unknown": ("UnknownNames", "unknown_names"),
    "wanted": ("models_wanted", "titles_wanted"),
}


def __getattr__(name: str) -> Any:
    place = next((place for place, names in _PLACES.items() if name in names), None)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{place}"), name)
