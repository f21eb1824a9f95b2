"""RunPod's own Python package, which speaks GraphQL and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clouds.cloud import SimulatedCloud
from tests.conformance.clients import Client, client

pytestmark = [pytest.mark.timeout(120), pytest.mark.needs("ssh-keygen")]

_CLIENT = """
import os
import runpod
runpod.api_key = os.environ["KEY"]
"""
_CREATE = """
pod = runpod.create_pod("jk", "runpod/pytorch", "NVIDIA GeForce RTX 4090", ports="22/tcp", gpu_count=2,
                        docker_args="sh -c 'exec /start.sh'", env={"PUBLIC_KEY": "ssh-ed25519 AAAA"})
"""


@pytest.fixture
def python(cloud: SimulatedCloud, tmp_path: Path) -> Client:
    told = {"KEY": str(cloud.api["account_key"]), "RUNPOD_API_BASE_URL": str(cloud.api["address"])}
    return client("runpod", tmp_path, told)


def test_it_lists_gpus_and_their_prices(python: Client) -> None:
    code = 'answer = [runpod.get_gpus(), runpod.get_gpu("NVIDIA GeForce RTX 4090")]'
    gpus, one = python.python(_CLIENT + code)
    assert {"id": "NVIDIA L4", "displayName": "L4", "memoryInGb": 24} in gpus
    assert (one["securePrice"], one["communityPrice"], one["maxGpuCount"]) == (0.69, 0.34, 8)


def test_it_creates_looks_stops_starts_and_destroys(cloud: SimulatedCloud, python: Client) -> None:
    answer = python.python(
        _CLIENT
        + _CREATE
        + """
from runpod.cli.utils.rp_info import get_pod_ssh_ip_port
answer = {"way": get_pod_ssh_ip_port(pod["id"]), "listed": [each["name"] for each in runpod.get_pods()]}
shown = runpod.get_pod(pod["id"])
answer |= {"cost": shown["costPerHr"], "gpu": shown["machine"]["gpuDisplayName"], "count": shown["gpuCount"]}
answer["stopped"] = runpod.stop_pod(pod["id"])["desiredStatus"]
answer["started"] = runpod.resume_pod(pod["id"], 2)["desiredStatus"]
runpod.terminate_pod(pod["id"])
answer["left"] = runpod.get_pods()
"""
    )
    assert answer.pop("way")[0] == "127.0.0.1"
    assert answer == {
        "listed": ["jk"], "cost": 1.38, "gpu": "RTX 4090", "count": 2,
        "stopped": "EXITED", "started": "RUNNING", "left": [],
    }  # fmt: skip


def test_its_keys_and_its_balance_are_those_of_the_account(cloud: SimulatedCloud, python: Client) -> None:
    cloud.control("POST", "runpod", {"balance": "12.5"})
    answer = python.python(
        _CLIENT
        + """
from runpod.api.graphql import run_graphql_query
runpod.update_user_settings("ssh-ed25519 AAAA me")
balance = run_graphql_query("query{myself{clientBalance currentSpendPerHr spendLimit}}")["data"]["myself"]
answer = [runpod.get_user()["pubKey"], balance["currentSpendPerHr"], balance["clientBalance"] <= 12.5]
"""
    )
    assert answer == ["ssh-ed25519 AAAA me", 0, True]
    cloud.control("POST", "runpod", {"balance": "100"})


def test_a_wrong_key_and_no_stock_are_its_errors(cloud: SimulatedCloud, python: Client) -> None:
    cloud.fault("no-capacity", calls=1)
    create = _CREATE.replace("\n", "\n    ")
    code = f"try:\n    {create}\nexcept runpod.error.QueryError as error:\n    answer = [str(error)]\n"
    code += "runpod.api_key = 'wrong'\n"
    code += "try:\n    runpod.get_pods()\nexcept runpod.error.AuthenticationError as error:\n    answer.append('key')"
    said, key = python.python(_CLIENT + code)
    assert (said.startswith("There are no longer any instances"), key) == (True, "key")


def test_its_command_lists_pods(cloud: SimulatedCloud, python: Client) -> None:
    python.python(_CLIENT + _CREATE + "answer = None")
    folder = python.home / ".runpod"
    folder.mkdir()
    (folder / "config.toml").write_text(f'[default]\napi_key = "{cloud.api["account_key"]}"\n')
    assert "jk" in python.run("runpod", "pod", "list")
