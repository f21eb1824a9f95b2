"""dstack's client, which speaks REST v2, and whose address is written into its code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clouds.cloud import SimulatedCloud
from tests.conformance.clients import Client, client

pytestmark = [pytest.mark.timeout(120), pytest.mark.needs("ssh-keygen")]

_CLIENT = """
import os
from dstack._internal.core.backends.runpod import api_client
api_client.API_GRAPHQL_URL = os.environ["ADDRESS"] + "/graphql"
api_client.API_V2_URL = os.environ["ADDRESS"] + "/v2"
c = api_client.RunpodApiClient(os.environ["KEY"])
"""


@pytest.fixture
def dstack(cloud: SimulatedCloud, tmp_path: Path) -> Client:
    return client("dstack", tmp_path, {"KEY": str(cloud.api["account_key"]), "ADDRESS": str(cloud.api["address"])})


def test_it_tries_the_key_creates_looks_and_destroys(dstack: Client) -> None:
    answer = dstack.python(
        _CLIENT
        + """
pod = c.create_pod(name="jk", cloud="SECURE", image_name="ubuntu", entrypoint=["/bin/sh"], cmd=["-c", "sshd"],
                   container_disk_in_gb=30, gpu_type_id="NVIDIA GeForce RTX 4090", gpu_count=1,
                   min_cpu_count_per_gpu=4, min_memory_in_gb_per_gpu=16, data_center_ids=["EU-RO-1"],
                   ports=["22/tcp"], env={"RUNPOD_POD_USER": "0"})
answer = {"key": c.validate_api_key(), "status": pod["status"], "mounts": pod["mounts"]}
answer["name"] = c.get_pod(pod["id"])["name"]
answer["ended"] = [c.terminate_pod(pod["id"]), c.terminate_pod(pod["id"])]
answer["left"] = c.get_pod(pod["id"])
answer["wrong"] = api_client.RunpodApiClient("wrong").validate_api_key()
"""
    )
    assert answer.pop("status") in ("PROVISIONING", "STARTING")
    assert answer == {
        "key": True, "mounts": {}, "name": "jk", "ended": [True, False], "left": None, "wrong": False,
    }  # fmt: skip


def test_it_creates_by_graphql_too(dstack: Client) -> None:
    answer = dstack.python(
        _CLIENT
        + """
pod = c.create_gpu_pod_graphql("jk", "ubuntu", "NVIDIA GeForce RTX 4090", "SECURE", container_disk_in_gb=30,
                               ports="22/tcp", env={"A": "1"})
answer = c.get_pod(pod["id"])
"""
    )
    # It wants drivers that no community host of the simulator has.
    assert (answer["name"], answer["cloud"], answer["cost"]) == ("jk", "SECURE", 0.69)


def test_no_stock_is_a_400_with_prose(cloud: SimulatedCloud, dstack: Client) -> None:
    cloud.fault("no-capacity", calls=1)
    answer = dstack.python(
        _CLIENT
        + """
try:
    c.create_pod(name="jk", cloud="SECURE", image_name="x", entrypoint=["sh"], cmd=["id"], container_disk_in_gb=1,
                 gpu_type_id="NVIDIA L4", gpu_count=1)
except api_client.RunpodV2ClientError as error:
    answer = [error.status, error.detail]
"""
    )
    assert answer[0] == 400
    assert answer[1].startswith("There are no longer any instances")
