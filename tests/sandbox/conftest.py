from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.on_asyncio import anyio_backend, on_asyncio
from tests.sandbox.cloud import SandboxCloud

__all__ = ["anyio_backend", "on_asyncio"]


@pytest.fixture(scope="package")
def one_cloud() -> Iterator[SandboxCloud]:
    """For all these tests: each has an account of its own."""
    with SandboxCloud() as cloud:
        yield cloud


@pytest.fixture
def cloud(one_cloud: SandboxCloud) -> Iterator[SandboxCloud]:
    yield one_cloud
    one_cloud.mend()
