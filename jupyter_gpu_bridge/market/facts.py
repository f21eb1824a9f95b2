"""What can be asked of an offer, each by its name: a number, or a word. What is not known is no number (`nan`).

One list for one offer and for a hundred thousand of them in columns, so that both are judged alike.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Mapping

from jupyter_gpu_bridge import gpus
from jupyter_gpu_bridge.gpus import Figures
from jupyter_gpu_bridge.model import Offer

UNKNOWN = math.nan

_VERSION = re.compile(r"(\d{1,4})(?:\.(\d{1,3}))?(?:\.\d+)*")
STOCK = ("low", "medium", "high")
_REMEMBERED = 4096


def version(text: str) -> float:
    """`12.10` is newer than `12.9`; what is no version is not known."""
    found = _VERSION.fullmatch(text.strip())
    return int(found[1]) * 1000 + int(found[2] or 0) if found else UNKNOWN


def stock(text: str) -> float:
    """An offer that says nothing of it is one very machine, which is there."""
    return STOCK.index(text) if text in STOCK else len(STOCK)


@functools.lru_cache(_REMEMBERED)
def figures(gpu: str, memory_mib: int) -> Figures | None:
    """What such a GPU can do; none for a model that is not known."""
    return gpus.identify(gpu, memory_mib=memory_mib).figures


@functools.lru_cache(_REMEMBERED)
def category(gpu: str) -> str:
    """Empty where it is not known, or where it may be of more than one."""
    several = {model.category.value for model in gpus.identify(gpu).models}
    return several.pop() if len(several) == 1 else ""


@functools.lru_cache(_REMEMBERED)
def _capability(gpu: str, said: str) -> float:
    """As its provider says; otherwise that of its model, the lowest of all that it may be."""
    if said:
        return version(said)
    return min((version(model.capability) for model in gpus.identify(gpu).models), default=UNKNOWN)


@functools.lru_cache(_REMEMBERED)
def _has_arm_host(gpu: str) -> bool:
    return gpus.identify(gpu).has_arm_host


def _raw(offer: Offer) -> float:
    found = figures(offer.gpu, offer.gpu_memory_mib)
    return UNKNOWN if found is None else found.raw


def _maybe(value: float | None) -> float:
    return UNKNOWN if value is None else float(value)


NUMBERS: Mapping[str, Callable[[Offer], float]] = {
    "price": lambda offer: offer.price.micros,  # exact: no price has more than fifteen digits
    "count": lambda offer: offer.gpu_count,
    "memory": lambda offer: offer.gpu_memory_mib,
    "all_memory": lambda offer: offer.gpu_memory_mib * offer.gpu_count or UNKNOWN,
    "score": _raw,
    "reliability": lambda offer: _maybe(offer.reliability),
    "verified": lambda offer: _maybe(offer.is_verified),
    "usual_image": lambda offer: not offer.needs_image,
    "arm": lambda offer: _has_arm_host(offer.gpu),
    "spot": lambda offer: offer.is_spot,
    "cpus": lambda offer: offer.cpus or UNKNOWN,
    "host_memory": lambda offer: offer.memory_mib or UNKNOWN,
    "disk": lambda offer: offer.disk_gib or UNKNOWN,
    "down": lambda offer: _maybe(offer.down_mbps),
    "up": lambda offer: _maybe(offer.up_mbps),
    "cuda": lambda offer: version(offer.cuda),
    "capability": lambda offer: _capability(offer.gpu, offer.compute_capability),
    "stock": lambda offer: stock(offer.stock),
    "lasts": lambda offer: math.inf if offer.lasts is None else offer.lasts.total_seconds(),
}

WORDS: Mapping[str, Callable[[Offer], str]] = {
    "gpu": lambda offer: offer.gpu.casefold(),
    "category": lambda offer: category(offer.gpu),
    "provider": lambda offer: offer.provider.casefold(),
    "region": lambda offer: offer.region.casefold(),
    "tier": lambda offer: offer.tier.casefold(),
    "host": lambda offer: offer.host.casefold(),
    "offer": lambda offer: offer.name.casefold(),
}
