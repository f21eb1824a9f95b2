from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clouds.cloud import SimulatedCloud


@pytest.fixture(scope="package")
def one_cloud() -> Iterator[SimulatedCloud]:
    with SimulatedCloud("vast") as cloud:
        assert isinstance(cloud, SimulatedCloud)
        yield cloud


@pytest.fixture
def cloud(one_cloud: SimulatedCloud) -> Iterator[SimulatedCloud]:
    yield one_cloud
    one_cloud.control("POST", "vast/mend", {})
    for row in one_cloud.ask("GET", "/api/v0/instances/")[1]["instances"]:
        one_cloud.ask("DELETE", f"/api/v0/instances/{row['id']}/")
