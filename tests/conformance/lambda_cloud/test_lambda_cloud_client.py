"""The client that was generated from the vendor's specification 1.4, which is older than what is simulated."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.clients import Client, client
from tests.providers.lambda_cloud.world import Lambda

pytestmark = [pytest.mark.timeout(180), pytest.mark.needs("ssh-keygen")]

_CLIENT = """
import os
import lambda_cloud_client as lib
configuration = lib.Configuration(host=os.environ["ADDRESS"] + "/api/v1", access_token=os.environ["KEY"])
c = lib.DefaultApi(lib.ApiClient(configuration))
request = lib.LaunchInstanceRequest(region_name="us-east-1", instance_type_name="gpu_1x_a10",
                                    ssh_key_names=["laptop"], name="mine")
"""


@pytest.fixture
def old(cloud: Lambda, tmp_path: Path) -> Client:
    variables = {"KEY": str(cloud.api["account_key"]), "ADDRESS": str(cloud.api["address"])}
    return client("lambda-cloud-client", tmp_path, variables)


def test_it_lists_creates_shows_and_has_keys(old: Client) -> None:
    answer = old.python(
        _CLIENT
        + """
(number,) = c.launch_instance(request).data.instance_ids
made = c.add_ssh_key(lib.AddSSHKeyRequest(name="of-old")).data
c.delete_ssh_key(made.id)
answer = {
    "price": c.instance_types().data["gpu_1x_a10"].instance_type.price_cents_per_hour,
    "same": c.get_instance(number).data.id == number, "names": [each.name for each in c.list_instances().data],
    "private": bool(made.private_key), "keys": len(c.list_ssh_keys().data), "file_systems": c.list_file_systems().data,
}
"""
    )
    assert answer["price"] == 129
    assert (answer["same"], answer["names"], answer["private"], answer["file_systems"]) == (True, ["mine"], True, [])


def test_its_terminate_is_done_though_it_does_not_know_the_word_for_it(cloud: Lambda, old: Client) -> None:
    """Where the two disagree: `terminating` is not among the states of 1.4."""
    answer = old.python(
        _CLIENT
        + """
(number,) = c.launch_instance(request).data.instance_ids
try:
    c.terminate_instance(lib.TerminateInstanceRequest(instance_ids=[number]))
    answer = ""
except ValueError as error:
    answer = str(error)
"""
    )
    assert "status" in answer
    (instance,) = cloud.ask("GET", "/api/v1/instances")[1]["data"]
    assert instance["status"] == "terminating"
