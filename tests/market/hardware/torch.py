"""Stands in for torch and a GPU where there are none: it computes nothing, and times it as the GPU described would.

Described in STAND_IN_GPU, as JSON: `name`, `mib`, `bandwidth`, `tflops`, and what else a test needs.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import types
from collections.abc import Iterator
from typing import Any

__version__ = "2.9.0+stand-in"
float32, float16, bfloat16 = "float32", "float16", "bfloat16"
version = types.SimpleNamespace(hip=None)

_GPU: dict[str, Any] = json.loads(os.environ["STAND_IN_GPU"])
_clock = 0.0
_taken = 0
_most_taken = 0
_since_products = {"workspace_mib": 0, "others_mib": 0}
"""What the products keep for good, and what somebody else has taken meanwhile."""


class Tensor:
    def __init__(self, *shape: int, dtype: str) -> None:
        self.shape, self.dtype = shape, dtype
        self.bytes = math.prod(shape) * (4 if dtype == float32 else 2)
        _take(self.bytes)

    def __del__(self) -> None:
        _take(-self.bytes)

    def copy_(self, source: Tensor) -> None:
        _spend((self.bytes + source.bytes) / _GPU["bandwidth"] / 1e9)


def ones(*shape: int, dtype: str, device: str) -> Tensor:
    return Tensor(*shape, dtype=dtype)


randn = ones


def empty_like(other: Tensor) -> Tensor:
    return Tensor(*other.shape, dtype=other.dtype)


def mul(source: Tensor, factor: float, out: Tensor) -> None:
    _spend(1.1 * (source.bytes + out.bytes) / _GPU["bandwidth"] / 1e9)


def mm(left: Tensor, right: Tensor, out: Tensor) -> None:
    if _GPU.get("fails"):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")
    _since_products.update(_GPU.get("since_products", {}))
    slower = 1.0 if left.dtype != float32 else 8.0
    _spend(slower * 2 * left.shape[0] ** 3 / _GPU["tflops"] / 1e12)


@contextlib.contextmanager
def no_grad() -> Iterator[None]:
    yield


class Event:
    def __init__(self, enable_timing: bool) -> None:
        self._at = math.nan

    def record(self) -> None:
        self._at = _clock

    def synchronize(self) -> None:
        pass

    def elapsed_time(self, end: Event) -> float:
        return (end._at - self._at) * 1e3


@contextlib.contextmanager
def _device(index: int) -> Iterator[None]:
    yield


def _properties(index: int) -> object:
    return types.SimpleNamespace(name=_GPU["name"], total_memory=_GPU["mib"] << 20)


def _memory(index: int) -> tuple[int, int]:
    total = _GPU["mib"] << 20
    used = _GPU.get("used_mib", 400) + sum(_since_products.values())
    return total - (used << 20) - _taken, total


def _reserved(index: int) -> int:
    return int(_since_products["workspace_mib"]) << 20


def _empty_cache() -> None:
    print(f"left on the GPU: {_taken} bytes of {_most_taken}", file=sys.stderr)


def _spend(seconds: float) -> None:
    global _clock
    _clock += 0.0 if _GPU.get("stands_still") else seconds


def _take(size: int) -> None:
    global _taken, _most_taken
    _taken += size
    _most_taken = max(_taken, _most_taken)


cuda = types.SimpleNamespace(
    is_available=lambda: not _GPU.get("is_blind"),
    device_count=lambda: _GPU.get("count", 1),
    get_device_properties=_properties,
    get_device_capability=lambda index: tuple(_GPU.get("capability", (8, 0))),
    mem_get_info=_memory,
    device=_device,
    empty_cache=_empty_cache,
    memory_reserved=_reserved,
    Event=Event,
)
