"""No test knows how the clouds did in another one, nor its ledger: a breaker that opened there would stay open here."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

_WHO_REMEMBERS = (
    *(f"jupyter_gpu_bridge.providers.{name}" for name in ("gate", "offers", "configuration", "metrics")),
    "jupyter_gpu_bridge.rentals.orders",
)


@pytest.fixture(autouse=True)
def clouds_forgotten() -> Iterator[None]:
    yield
    for name in _WHO_REMEMBERS:
        if name in sys.modules:
            sys.modules[name].forget()
