"""dstack's client, whose address is written into its code; it creates, looks and destroys."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clouds.cloud import SimulatedCloud
from tests.conformance.clients import Client, client

pytestmark = [pytest.mark.timeout(120), pytest.mark.needs("ssh-keygen")]

_CLIENT = """
import os
from dstack._internal.core.backends.vastai.api_client import VastAIAPIClient, VastAICreateInstanceError
c = VastAIAPIClient(os.environ["KEY"])
c.s.base_url = os.environ["ADDRESS"] + "/api/"
"""


@pytest.fixture
def dstack(cloud: SimulatedCloud, tmp_path: Path) -> Client:
    return client("dstack-vast", tmp_path, {"KEY": str(cloud.api["account_key"]), "ADDRESS": str(cloud.api["address"])})


def test_it_tries_the_key_creates_looks_and_destroys(cloud: SimulatedCloud, dstack: Client) -> None:
    cloud.control("POST", "vast/switch", {"destroyed-is": "no_such_instance"})
    answer = dstack.python(
        _CLIENT
        + """
number = c.create_instance("jk", 20000002, "ubuntu:22.04", "sleep 1", 20)
shown = c.get_instance(number)
c.destroy_instance(number)
c.destroy_instance(number)
answer = {"key": c.auth_test(), "label": shown["label"], "runtype": shown["image_runtype"],
          "gone": c.get_instance(number), "env": shown["extra_env"]}
"""
    )
    assert answer == {
        "key": True, "label": "jk", "runtype": "args", "gone": None, "env": [["-p 10022:10022", "1"]],
    }  # fmt: skip


def test_of_a_bid_that_is_too_low_it_finds_what_is_left_behind(cloud: SimulatedCloud, dstack: Client) -> None:
    answer = dstack.python(
        _CLIENT
        + """
try:
    answer = c.create_instance("jk", 20000002, "ubuntu:22.04", "sleep 1", 20, bid=0.01)
except VastAICreateInstanceError as error:
    answer = c.get_instance(error.created_instance_id)
"""
    )
    assert (answer["label"], answer["cur_state"]) == ("jk", "stopped")


def test_it_takes_the_code_of_the_specification_for_a_failure(cloud: SimulatedCloud, dstack: Client) -> None:
    """Where the two disagree: an instance that is gone is `not_found` there, and `no_such_instance` in this client."""
    code = "try:\n    c.destroy_instance(1)\n    answer = ''\nexcept Exception as error:\n    answer = str(error)"
    assert "not_found" in dstack.python(_CLIENT + code)
