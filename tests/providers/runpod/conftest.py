from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from jupyter_gpu_bridge.providers.runpod import RunPod
from tests.clouds.cloud import SimulatedCloud


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


@pytest.fixture
async def provider(cloud: SimulatedCloud) -> AsyncIterator[RunPod]:
    """With an account of its own; what is rented in it is destroyed at the end."""
    found = RunPod(key=cloud.another_key(), address=str(cloud.api["address"]))
    yield found
    cloud.mend()
    cloud.control("POST", "runpod", AS_USUAL)
    for seen in await found.list():
        await found.destroy(seen.ref)
    await found.close()


AS_USUAL = {
    "ssh_keys": [],
    "balance": "100",
    "per_minute": 0,
    "ports_after": 0,
    "is_broken": False,
    "machine_keys": True,
    "forbids": "",
    "is_cluster": False,
    "html": 0,
    "quarrels": 0,
    "graphql_fails": "",
}
