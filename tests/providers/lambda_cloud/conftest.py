from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.providers.lambda_cloud.world import Lambda
from tests.providers.unhurried import unhurried

__all__ = ["unhurried"]


@pytest.fixture(scope="package")
def one_cloud() -> Iterator[Lambda]:
    """For all these tests: each has an account of its own."""
    cloud = Lambda()
    with cloud:
        yield cloud


@pytest.fixture
def cloud(one_cloud: Lambda) -> Iterator[Lambda]:
    yield one_cloud
    one_cloud.mend()
    one_cloud.reset()
