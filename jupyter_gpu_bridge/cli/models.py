"""`jupyter gpu models`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.cli.screen import Screen
from jupyter_gpu_bridge.errors import BadRequest

if TYPE_CHECKING:
    from jupyter_gpu_bridge.gpus import Identified, Model

_TITLES = ("MODEL", "GIB", "CATEGORY", "ARCHITECTURE", "CAPABILITY", "TFLOPS", "GB/S", "FP8", "SCORE", "")

_STANDS_IN = {"vector": "vector", "fp32": "FP32"}
"""Beside TFLOPS that are not those of matrix units."""


async def run(arguments: Namespace, bridge: Bridge, screen: Screen) -> int:
    if arguments.name:
        return _explain(" ".join(arguments.name), bridge, screen)
    found = sorted(_chosen(arguments, bridge), key=_ORDERS[arguments.sort])
    screen.data({"models": [plain.gpu_model(model) for model in found]})
    if found:
        screen.table(_TITLES, [_row(model) for model in found])
    else:
        screen.say("No model is like that.")
    return 0


def _chosen(arguments: Namespace, bridge: Bridge) -> list[Model]:
    """Raises `BadRequest` for a name that nobody knows."""
    for name in arguments.gpu or ():
        if not bridge.gpu_models([name]):
            raise BadRequest(f"{name!r} is no GPU that is known.", advice=f"See: jupyter gpu models {name!r}")
    return [
        model
        for model in bridge.gpu_models(arguments.gpu or ())
        if arguments.category in (None, model.category.value) and model.most_gib >= arguments.min_memory
    ]


def _explain(name: str, bridge: Bridge, screen: Screen) -> int:
    """1 when nobody calls anything so."""
    told = bridge.explain_gpu(name)
    screen.data(plain.gpu_name(told))
    if told.found.is_known:
        screen.say(f"{name!r} is {_meant(told.found)}.")
    elif told.by_provider:
        screen.say(f"{name!r} is a name that only providers use.")
    else:
        screen.say(f"{name!r} is no GPU that is known. An offer with this name is shown as it is, without a score.")
        if told.near:
            screen.say(f"Near it: {', '.join(told.near)}.")
    for provider, found in told.by_provider:
        note = f" ({found.note})" if found.note else ""
        screen.say(f"At {provider}: {_meant(found)}{note}.")
    meant = dict.fromkeys(model for _, found in (("", told.found), *told.by_provider) for model in found.models)
    if meant:
        screen.table(_TITLES, [_row(model) for model in meant])
    return 0 if told.found.is_known or told.by_provider else 1


def _meant(found: Identified) -> str:
    if not found.is_known:
        return "a machine without a GPU"
    count = f"{found.count} x " if found.count > 1 else ""
    open_ = f", variant unknown: one of {len(found.models)}" if found.variant_is_unknown else ""
    score = "no score" if found.figures is None else f"score {found.figures.badge}"
    at_least = ", by the lowest figures of these" if found.variant_is_unknown and found.figures is not None else ""
    part = ", a part of a card" if found.slice else ""
    return f"{count}{found.title} ({score}{at_least}{open_}{part})"


def _row(model: Model) -> tuple[str, ...]:
    of = _STANDS_IN.get(model.units.value)
    sizes = "/".join(str(gib) for gib in sorted((model.gib, *model.other_gib, *model.slower_gib)))
    return (
        model.name,
        sizes,
        model.category.value,
        model.architecture,
        model.capability,
        f"{model.tflops:g}" + (f" {of}" if of else ""),
        str(model.bandwidth),
        "yes" if model.has_fp8 else "no",
        model.figures.badge,
        "; ".join(part for part in ("Arm host" if model.has_arm_host else "", model.needs, model.note) if part),
    )


_ORDERS: Mapping[str, Callable[[Model], tuple[float | str, ...]]] = {
    "score": lambda model: (-model.figures.raw, model.name),
    "memory": lambda model: (-model.gib, -model.figures.raw, model.name),
    "name": lambda model: (model.name,),
}
