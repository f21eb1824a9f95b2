from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clouds.cloud import SimulatedCloud


@pytest.fixture(scope="package")
def cloud() -> Iterator[SimulatedCloud]:
    with SimulatedCloud("vast", stock=40) as cloud:
        assert isinstance(cloud, SimulatedCloud)
        yield cloud
