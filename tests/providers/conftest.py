from __future__ import annotations

import pytest

from tests.on_asyncio import anyio_backend, on_asyncio
from tests.own_home import IMPATIENT, own_home

__all__ = ["anyio_backend", "on_asyncio", "own_home"]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in IMPATIENT.items():
        monkeypatch.setenv(name, value)
