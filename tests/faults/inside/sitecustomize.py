"""Loaded by every Python of a scene: moves its wall clock, and shortens patience that no test can wait for.

`GPB_CLOCK` names a file that holds by how many seconds the clock is off just now; `GPB_SHORTER` lists
`module:NAME=seconds`, separated by spaces.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import time
from collections.abc import Sequence
from types import ModuleType

_real_time = time.time


def _moved_time() -> float:
    try:
        with open(os.environ["GPB_CLOCK"]) as file:
            return _real_time() + float(file.read() or 0)
    except OSError:
        return _real_time()


class _Shorter(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, wishes: str) -> None:
        self._wishes: dict[str, dict[str, float]] = {}
        for wish in wishes.split():
            place, _, value = wish.partition("=")
            module, _, name = place.partition(":")
            self._wishes.setdefault(module, {})[name] = float(value)

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in self._wishes:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def run_and_shorten(module: ModuleType) -> None:
            run(module)
            for constant, value in self._wishes[name].items():
                getattr(module, constant)  # so that a test cannot go on wishing for what is no longer there
                setattr(module, constant, value)

        spec.loader.exec_module = run_and_shorten  # type: ignore[method-assign]
        return spec


if "GPB_CLOCK" in os.environ:
    time.time = _moved_time
if "GPB_SHORTER" in os.environ:
    sys.meta_path.insert(0, _Shorter(os.environ["GPB_SHORTER"]))
