from __future__ import annotations

from tests.clouds.fixtures import one_for_all, put_right_after_each
from tests.providers.lambda_cloud.world import Lambda
from tests.sshd import public_half


def _with_a_key(cloud: Lambda) -> None:
    key = {"name": "laptop", "public_key": public_half(cloud.identity)}
    assert cloud.ask("POST", "/api/v1/ssh-keys", key)[0] == 200


def _empty(cloud: Lambda) -> None:
    cloud.reset()
    ids = [each["id"] for each in cloud.ask("GET", "/api/v1/instances")[1]["data"]]
    if ids:
        cloud.ask("POST", "/api/v1/instance-operations/terminate", {"instance_ids": ids})
        cloud.advance(60)


one_cloud = one_for_all(Lambda, _with_a_key)
cloud = put_right_after_each(_empty)
