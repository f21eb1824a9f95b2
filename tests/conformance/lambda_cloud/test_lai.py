"""`lai`, generated from the specification 1.10: its models are strict, so each answer has to be whole."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.conformance.clients import Client, client
from tests.providers.lambda_cloud.world import Lambda

pytestmark = [pytest.mark.timeout(180), pytest.mark.needs("ssh-keygen")]


@pytest.fixture
def lai(cloud: Lambda, tmp_path: Path) -> Client:
    api = cloud.api
    variables = {"LAMBDA_CLOUD_BASE_URL": str(api["address"]), "LAMBDA_CLOUD_API_TOKEN": str(api["account_key"])}
    return client("lai", tmp_path, {**variables, "COLUMNS": "300"})


def test_it_lists_what_is_sold_and_what_it_boots_from(lai: Client) -> None:
    types = json.loads(lai.run("lai", "types", "--json"))
    assert "gpu_1x_a10" in json.dumps(types)
    assert "lambda-stack-24-04" in lai.run("lai", "images")
    assert "laptop" in lai.run("lai", "keys")


def test_it_starts_shows_renames_restarts_and_stops(cloud: Lambda, lai: Client) -> None:
    lai.run(
        "lai", "start", "--instance-type", "gpu_1x_a10", "--region", "us-east-1", "--ssh-key", "laptop",
        "--name", "mine", "--tag", "owner=me",
    )  # fmt: skip
    (instance,) = cloud.ask("GET", "/api/v1/instances")[1]["data"]
    assert instance["tags"] == [{"key": "owner", "value": "me"}]
    assert "mine" in lai.run("lai", "ls")
    assert instance["id"] in lai.run("lai", "get", instance["id"])
    lai.run("lai", "rename", instance["id"], "other")
    assert "other" in lai.run("lai", "ls")
    lai.run("lai", "restart", instance["id"])
    lai.run("lai", "stop", instance["id"])
    assert cloud.ask("GET", f"/api/v1/instances/{instance['id']}")[1]["data"]["status"] == "terminating"


@pytest.mark.parametrize(("status", "code"), [(401, "global/invalid-api-key"), (429, "global/rate-limited")])
def test_it_repeats_what_is_said_of_an_error(cloud: Lambda, lai: Client, status: int, code: str) -> None:
    cloud.turn(refuse={"verb": "list", "status": status, "code": code, "message": "So it is."})
    with pytest.raises(AssertionError) as caught:
        lai.run("lai", "ls")
    assert str(status) in str(caught.value)


def test_it_cannot_be_led_elsewhere(cloud: Lambda, lai: Client) -> None:
    cloud.turn(redirect=str(cloud.api["address"]))
    with pytest.raises((AssertionError, subprocess.SubprocessError)):
        lai.run("lai", "ls")
