from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.on_asyncio import anyio_backend, on_asyncio
from tests.rentals.renting.world import Renting, renting

__all__ = ["anyio_backend", "on_asyncio"]


@pytest.fixture
def world() -> Iterator[Renting]:
    with renting() as world:
        yield world
