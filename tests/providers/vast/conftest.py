from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clouds.cloud import SimulatedCloud
from tests.providers.unhurried import unhurried

__all__ = ["unhurried"]


@pytest.fixture(scope="package")
def cloud() -> Iterator[SimulatedCloud]:
    with SimulatedCloud("vast", stock=40) as cloud:
        assert isinstance(cloud, SimulatedCloud)
        yield cloud
