from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.providers.lambda_cloud.world import Lambda
from tests.sshd import public_half


@pytest.fixture(scope="package")
def one_cloud() -> Iterator[Lambda]:
    cloud = Lambda()
    with cloud:
        key = {"name": "laptop", "public_key": public_half(cloud.identity)}
        assert cloud.ask("POST", "/api/v1/ssh-keys", key)[0] == 200
        yield cloud


@pytest.fixture
def cloud(one_cloud: Lambda) -> Iterator[Lambda]:
    yield one_cloud
    one_cloud.mend()
    one_cloud.reset()
    ids = [each["id"] for each in one_cloud.ask("GET", "/api/v1/instances")[1]["data"]]
    if ids:
        one_cloud.ask("POST", "/api/v1/instance-operations/terminate", {"instance_ids": ids})
        one_cloud.advance(60)
