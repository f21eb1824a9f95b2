"""dstack's client, whose address is written into its code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.clients import Client, client
from tests.providers.lambda_cloud.world import Lambda

pytestmark = [pytest.mark.timeout(180), pytest.mark.needs("ssh-keygen")]

_CLIENT = """
import os
from dstack._internal.core.backends.lambdalabs import api_client
api_client.API_URL = os.environ["ADDRESS"] + "/api/v1"
c = api_client.LambdaAPIClient(os.environ["KEY"])
"""


@pytest.fixture
def dstack(cloud: Lambda, tmp_path: Path) -> Client:
    return client("dstack", tmp_path, {"KEY": str(cloud.api["account_key"]), "ADDRESS": str(cloud.api["address"])})


def test_it_tries_the_key_lists_creates_and_destroys(cloud: Lambda, dstack: Client) -> None:
    answer = dstack.python(
        _CLIENT
        + """
c.add_ssh_key("of-dstack", "ssh-ed25519 AAAA")
(number,) = c.launch_instances("us-east-1", "gpu_1x_a10", ["of-dstack"], [], 1, "mine")
names = [each["name"] for each in c.list_instances()]
done = c.terminate_instances([number])
answer = {
    "key": c.validate_api_key(), "types": sorted(c.list_instance_types())[0], "names": names,
    "keys": [each["name"] for each in c.list_ssh_keys()],
    "status": done["terminated_instances"][0]["status"],
    "bad": api_client.LambdaAPIClient("wrong").validate_api_key(),
}
"""
    )
    assert answer == {
        "key": True, "types": "cpu_4x_general", "names": ["mine"], "keys": ["laptop", "of-dstack"],
        "status": "terminating", "bad": False,
    }  # fmt: skip
