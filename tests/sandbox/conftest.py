from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox.cloud import SandboxCloud


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def on_asyncio(anyio_backend: str) -> None:
    """anyio only notices its tests by this fixture where pytest-jupyter has made the test items before it."""


@pytest.fixture(scope="package")
def one_cloud() -> Iterator[SandboxCloud]:
    """For all these tests: each has an account of its own."""
    with SandboxCloud() as cloud:
        yield cloud


@pytest.fixture
def cloud(one_cloud: SandboxCloud) -> Iterator[SandboxCloud]:
    yield one_cloud
    one_cloud.mend()
