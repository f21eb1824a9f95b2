from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clouds.cloud import SimulatedCloud


@pytest.fixture(scope="package")
def one_cloud() -> Iterator[SimulatedCloud]:
    with SimulatedCloud("runpod") as cloud:
        assert isinstance(cloud, SimulatedCloud)
        yield cloud


@pytest.fixture
def cloud(one_cloud: SimulatedCloud) -> Iterator[SimulatedCloud]:
    yield one_cloud
    one_cloud.mend()
    for pod in one_cloud.ask("GET", "/v2/pods")[1]["pods"]:
        one_cloud.ask("POST", "/graphql", {"query": f'mutation{{podTerminate(input:{{podId:"{pod["id"]}"}})}}'})
