"""The vendor's own client, as a command and as a library. Its exit status says nothing: what it prints is looked at."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clouds.cloud import SimulatedCloud
from tests.conformance.clients import Client, client

pytestmark = [pytest.mark.timeout(120), pytest.mark.needs("ssh-keygen")]

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVwYWlubGVzc2tleW9mYXRlc3RhbmRub3RoaW5n test"

Command = Callable[..., Any]


@pytest.fixture
def vastai(cloud: SimulatedCloud, tmp_path: Path) -> Client:
    address, key = str(cloud.api["address"]), str(cloud.api["account_key"])
    return client("vastai", tmp_path, {"VAST_URL": address, "VAST_API_KEY": key, "ADDRESS": address})


@pytest.fixture
def command(vastai: Client) -> Command:
    """`--url` as well: the variable leads one call of its start, and nothing but both leads all."""

    def run(*words: str) -> Any:
        """As JSON where it is some: other verbs answer in words."""
        said = vastai.run("vastai", *words, "--url", vastai.variables["ADDRESS"], "--raw")
        assert '"error": true' not in said, said
        assert "Traceback" not in said, said
        return json.loads(said) if said.startswith(("[", '{"', "{\n")) else said

    return run


def _created(command: Command, cloud: SimulatedCloud, *words: str) -> str:
    offers = command("search", "offers", "gpu_name=RTX_4090 num_gpus=1 gpu_ram>=20", "-o", "dph_total", "--limit", "3")
    assert offers
    assert {each["gpu_name"] for each in offers} == {"RTX 4090"}
    image = ["--image", "ubuntu:22.04", "--disk", "20", "--ssh", "--direct", "--label", "lab"]
    more = ["--env", "-e A=b -p 8888:8888", "--onstart-cmd", "echo hi", *words]
    made = command("create", "instance", str(offers[0]["id"]), *image, *more)
    assert made["success"]
    return str(made["new_contract"])


def _running(cloud: SimulatedCloud, number: str) -> dict[str, Any]:
    give_up = time.monotonic() + 20
    while True:
        row: dict[str, Any] = cloud.ask("GET", f"/api/v0/instances/{number}/")[1]["instances"]
        if row["actual_status"] == "running":
            return row
        assert time.monotonic() < give_up, row
        time.sleep(0.05)


def test_the_command_lists_creates_shows_stops_starts_names_and_destroys(
    cloud: SimulatedCloud, command: Command, vastai: Client
) -> None:
    number = _created(command, cloud)
    row = _running(cloud, number)
    assert dict(row["extra_env"]) == {"A": "b", "-p 8888:8888": "1"}
    assert [str(each["id"]) for each in command("show", "instances-v1")] == [number]
    assert command("show", "instance", number)["label"] == "lab"
    command("stop", "instance", number)
    assert cloud.ask("GET", f"/api/v0/instances/{number}/")[1]["instances"]["cur_state"] == "stopped"
    command("start", "instance", number)
    _running(cloud, number)
    command("label", "instance", number, "foo")
    command("reboot", "instance", number)
    assert _running(cloud, number)["label"] == "foo"
    command("destroy", "instance", number, "-y")
    assert cloud.ask("GET", f"/api/v0/instances/{number}/")[1]["instances"] is None


def test_the_command_bids(cloud: SimulatedCloud, command: Command) -> None:
    (offer,) = command("search", "offers", "gpu_name=RTX_4090 num_gpus=1", "--type", "bid", "--limit", "1")
    assert offer["is_bid"]
    number = _created(command, cloud, "--bid_price", "0.3", "--cancel-unavail")
    command("change", "bid", number, "--price", "0.35")
    row = _running(cloud, number)
    assert (row["is_bid"], row["dph_base"]) == (True, 0.35)


def test_the_command_knows_keys_money_and_charges(cloud: SimulatedCloud, command: Command, vastai: Client) -> None:
    assert command("show", "user")["credit"] == 25.0
    number = _created(command, cloud)
    command("attach", "ssh", number, PUBLIC_KEY)
    attached = cloud.ask("GET", f"/api/v0/instances/{number}/ssh/")[1]["ssh_keys"]
    assert [each["public_key"] for each in attached] == [PUBLIC_KEY]
    assert command("show", "ssh-keys") == []
    assert f"instance-{number}" in json.dumps(command("show", "invoices-v1", "--charges"))


def test_the_command_finds_the_direct_way_in_and_the_library_the_proxy(
    cloud: SimulatedCloud, command: Command, vastai: Client
) -> None:
    number = _created(command, cloud)
    row = _running(cloud, number)
    said = vastai.run("vastai", "ssh-url", number, "--url", vastai.variables["ADDRESS"])
    assert said.strip().replace("\n", "") == f"ssh://root@127.0.0.1:{row['ports']['22/tcp'][0]['HostPort']}"
    found = vastai.python(_LIBRARY + f"answer = v.ssh_url(id={number})")
    assert found == f"ssh://root@{row['ssh_host']}:{row['ssh_port']}"


def test_what_is_refused_is_printed(cloud: SimulatedCloud, vastai: Client) -> None:
    said = vastai.run(
        "vastai", "create", "instance", "1", "--image", "x", "--url", vastai.variables["ADDRESS"], "--raw"
    )
    assert "no_such_ask" in said


_LIBRARY = """
import os
from vastai import VastAI
v = VastAI(api_key=os.environ["VAST_API_KEY"], server_url=os.environ["ADDRESS"])
"""


def test_the_library_lists_creates_shows_stops_and_destroys(cloud: SimulatedCloud, vastai: Client) -> None:
    answer = vastai.python(
        _LIBRARY
        + """
found = v.search_offers(query="gpu_name=RTX_4090 num_gpus=1")
made = v.create_instance(id=found[0]["id"], image="ubuntu:22.04", ssh=True, direct=True, disk=20, label="jk")
number = made["new_contract"]
shown = v.show_instance(id=number)
listed = v.show_instances()
v.stop_instance(id=number)
stopped = v.show_instance(id=number)
v.start_instance(id=number)
v.destroy_instance(id=number)
answer = {"label": shown["label"], "listed": len(listed), "stopped": stopped["cur_state"],
          "gone": v.show_instance(id=number), "credit": v.show_user()["credit"]}
"""
    )
    assert answer == {"label": "jk", "listed": 1, "stopped": "stopped", "gone": None, "credit": 25.0}


def test_the_library_repeats_what_came_too_early_and_gives_up_after_three(
    cloud: SimulatedCloud, vastai: Client
) -> None:
    cloud.control("POST", "vast/refuse", {"verb": "account", "calls": 2, "how": "json"})
    assert vastai.python(_LIBRARY + "answer = v.show_user()['credit']") == 25.0
    cloud.control("POST", "vast/refuse", {"verb": "account", "calls": 3, "how": "text"})
    failing = """
import requests
try:
    answer = v.show_user()
except requests.HTTPError as error:
    answer = error.response.status_code
"""
    assert vastai.python(_LIBRARY + failing) == 429


def test_a_removal_can_be_scheduled_of_which_nobody_knows_whether_it_is_done(
    cloud: SimulatedCloud, vastai: Client
) -> None:
    vastai.python(
        _LIBRARY
        + """
answer = v.create_scheduled_job(
    start_time=1, end_time=2, api_endpoint="/api/v0/instances/222/", request_method="DELETE", request_body={},
    frequency="HOURLY", instance_id=222,
)
"""
    )
    (job,) = cloud.ask("GET", "/api/v0/commands/schedule_job/")[1]
    assert (job["request_method"], job["api_endpoint"]) == ("DELETE", "/api/v0/instances/222/")
