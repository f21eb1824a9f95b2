"""SkyPilot's client, which sends no type of its contents, and finds its machines by their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.clients import Client, client
from tests.providers.lambda_cloud.world import Lambda

pytestmark = [pytest.mark.timeout(240), pytest.mark.needs("ssh-keygen")]

_CLIENT = """
import os
from sky.provision.lambda_cloud import instance, lambda_utils
lambda_utils.API_ENDPOINT = os.environ["ADDRESS"] + "/api/v1"
lambda_utils.INITIAL_BACKOFF_SECONDS = 0
c = lambda_utils.LambdaCloudClient()
"""


@pytest.fixture
def sky(cloud: Lambda, tmp_path: Path) -> Client:
    (tmp_path / ".lambda_cloud").mkdir()
    (tmp_path / ".lambda_cloud" / "lambda_keys").write_text(f"api_key = {cloud.api['account_key']}\n")
    variables = {"ADDRESS": str(cloud.api["address"]), "SKYPILOT_DISABLE_USAGE_COLLECTION": "1"}
    return client("skypilot", tmp_path, variables)


def test_it_lists_registers_creates_and_destroys(cloud: Lambda, sky: Client) -> None:
    answer = sky.python(
        _CLIENT
        + """
name, known = c.get_unique_ssh_key_name("of-sky", "ssh-ed25519 AAAA")
c.register_ssh_key(name, "ssh-ed25519 AAAA")
(number,) = c.create_instances("gpu_1x_a10", "us-east-1", 1, "c1-head", name)
seen = [each["name"] for each in c.list_instances()]
c.create_firewall_rule([8888, 8888])
done = c.remove_instances([number])
answer = {
    "known": known, "again": c.get_unique_ssh_key_name("of-sky", "ssh-ed25519 AAAA"), "names": seen,
    "catalog": "gpu_1x_gh200" in c.list_catalog(), "status": done[0]["status"],
    "ports": [each.get("port_range") for each in c.list_firewall_rules()],
}
"""
    )
    assert answer == {
        "known": False, "again": ["of-sky", True], "names": ["c1-head"], "catalog": True, "status": "terminating",
        "ports": [None, [22, 22], [8888, 8888]],
    }  # fmt: skip


def test_it_finds_and_ends_a_cluster_by_its_name(cloud: Lambda, sky: Client) -> None:
    order = {"region_name": "us-east-1", "instance_type_name": "gpu_1x_a10", "ssh_key_names": ["laptop"]}
    assert cloud.ask("POST", "/api/v1/instance-operations/launch", {**order, "name": "c2-head"})[0] == 200
    code = "instance.terminate_instances('c2')\nanswer = [each['status'] for each in c.list_instances()]"
    answer = sky.python(_CLIENT + code)
    assert answer == ["terminating"]


def test_what_is_refused_is_told_by_code_and_words(cloud: Lambda, sky: Client) -> None:
    cloud.fault("no-capacity", calls=1)
    code = """
try:
    answer = c.create_instances("gpu_1x_a10", "us-east-1", 1, "c3-head", "laptop")
except lambda_utils.LambdaCloudError as error:
    answer = str(error)
"""
    assert "insufficient-capacity: Not enough capacity" in sky.python(_CLIENT + code)
