"""What a machine answers when its GPUs are to be measured: it may say anything, and what makes no sense is refused."""

from __future__ import annotations

import json
import math
from typing import Any

from jupyter_gpu_bridge.errors import PeerMisbehaved
from jupyter_gpu_bridge.model.gpu_checks import GpuCheck, GpuMeasured

MOST_BYTES = 64 * 1024
_MOST_GPUS = 16
_MOST_LETTERS = 300
_MOST_FIGURE = 1_000_000.0
"""GB/s or TFLOPS: far beyond anything that is built."""
_MOST_MIB = 64 * 1024 * 1024
_CODES = ("no-gpu", "no-torch", "blind-torch", "busy", "failed")


def read_report(text: str) -> GpuCheck:
    """Raises `PeerMisbehaved`."""
    if len(text) > MOST_BYTES:
        raise _nonsense("it is far too long")
    try:
        said = json.loads(text, parse_constant=_no_number)
        return _check(said)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _nonsense(str(error)[:_MOST_LETTERS] or "it cannot be read") from None


def _check(said: Any) -> GpuCheck:
    if not isinstance(said, dict):
        raise ValueError("it is no object")
    gpus = said["gpus"]
    if not isinstance(gpus, list) or len(gpus) > _MOST_GPUS:
        raise ValueError("its GPUs are no list, or too many")
    code, why = _problem(said.get("problem"))
    found = tuple(_gpu(each) for each in gpus)
    if not code and not any(each.bandwidth for each in found):
        raise ValueError("nothing was measured, and it does not say why")
    return GpuCheck(found, in_words(said.get("torch", ""))[:40], why, code)


def _gpu(said: Any) -> GpuMeasured:
    if not isinstance(said, dict):
        raise ValueError("a GPU is no object")
    _, why = _problem(said.get("problem"))
    bandwidth, tflops = _figure(said.get("bandwidth")), _figure(said.get("tflops"))
    if why or bandwidth is None or tflops is None:
        bandwidth, tflops, why = None, None, why or "It was not measured."
    memory = said.get("memory_mib")
    if memory is not None and (type(memory) is not int or not 0 < memory <= _MOST_MIB):
        raise ValueError("the memory of a GPU is no size")
    return GpuMeasured(in_words(said["name"]), memory, bandwidth, tflops, in_words(said.get("format", ""))[:20], why)


def _problem(said: Any) -> tuple[str, str]:
    """Its code and its sentence; both empty when there is none."""
    if said is None:
        return "", ""
    code = said["code"]
    return code if code in _CODES else "failed", in_words(said["text"]) or "It does not say why."


def _figure(said: Any) -> float | None:
    if said is None:
        return None
    if type(said) not in (int, float) or not math.isfinite(said) or not 0 < said <= _MOST_FIGURE:
        raise ValueError("a figure is no number that a GPU could reach")
    return float(said)


def in_words(said: Any) -> str:
    """What a machine says, in one line, and without what a terminal would obey. Raises `TypeError` for no text."""
    if not isinstance(said, str):
        raise TypeError("what should be words is something else")
    return " ".join("".join(letter if letter.isprintable() else " " for letter in said[:_MOST_LETTERS]).split())


def _no_number(constant: str) -> float:
    raise ValueError(f"{constant} is no number")


def _nonsense(why: str) -> PeerMisbehaved:
    return PeerMisbehaved(
        f"What the machine answers about its GPUs makes no sense: {why.rstrip('.')}.",
        advice="Nothing of it was kept. If it stays so, take another machine.",
    )
