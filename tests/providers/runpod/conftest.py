from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clouds.cloud import SimulatedCloud
from tests.providers.runpod.ordering import AS_USUAL
from tests.providers.unhurried import unhurried

__all__ = ["unhurried"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def on_asyncio(anyio_backend: str) -> None:
    """anyio only notices its tests by this fixture where pytest-jupyter has made the test items before it."""


@pytest.fixture(scope="package")
def one_cloud() -> Iterator[SimulatedCloud]:
    """For all these tests; only they move its clock."""
    with SimulatedCloud("runpod") as cloud:
        assert isinstance(cloud, SimulatedCloud)
        yield cloud


@pytest.fixture
def cloud(one_cloud: SimulatedCloud) -> Iterator[SimulatedCloud]:
    yield one_cloud
    one_cloud.mend()
    one_cloud.control("POST", "runpod", AS_USUAL)
