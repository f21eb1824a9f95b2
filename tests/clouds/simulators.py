"""Clouds that are simulated on the wire, by name: how each answers, and what it sells."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jupyter_gpu_bridge.sandbox.front import Front
from jupyter_gpu_bridge.sandbox.market import Item


@dataclass(frozen=True, slots=True)
class Simulator:
    front: type[Front]
    items: Sequence[Item]


_MODULES: Mapping[str, str] = {
    "lambda": "tests.clouds.lambda_cloud",
    "runpod": "tests.clouds.runpod",
    "vast": "tests.clouds.vast",
}
_OF_NOBODY: Mapping[str, str] = {
    "acme": "tests.providers.acme.cloud",
}
"""There is no such cloud: it is for a package that shows how a provider is added."""


def names() -> Sequence[str]:
    """Of clouds that there are."""
    return sorted(_MODULES)


def simulator(name: str) -> Simulator:
    """Its module has a `SIMULATOR`."""
    found: Simulator = importlib.import_module({**_OF_NOBODY, **_MODULES}[name]).SIMULATOR
    return found
