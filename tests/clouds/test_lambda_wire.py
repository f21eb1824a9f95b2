"""What the simulated Lambda answers, whoever asks: the codes, and what is particular to it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.clouds.fixtures import one_for_all
from tests.providers.lambda_cloud.world import Lambda

pytestmark = [pytest.mark.timeout(60), pytest.mark.needs("ssh-keygen")]

LAUNCH = "/api/v1/instance-operations/launch"
ORDER = {"region_name": "us-east-1", "instance_type_name": "gpu_1x_a10", "ssh_key_names": ["laptop"]}


def _with_a_key(cloud: Lambda) -> None:
    assert _asked(cloud, "POST", "/api/v1/ssh-keys", {"name": "laptop", "public_key": "ssh-ed25519 AAAA"})[0] == 200


cloud = one_for_all(Lambda, _with_a_key, scope="module")


def _asked(cloud: Lambda, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """The status, and the code of the error or the data."""
    status, said = cloud.ask(method, path, body)
    return status, said["error"]["code"] if status != 200 else said["data"]


def test_the_price_list_is_an_object_by_name(cloud: Lambda) -> None:
    _, types = _asked(cloud, "GET", "/api/v1/instance-types")
    assert types["gpu_8x_v100"]["regions_with_capacity_available"] == []
    assert types["gpu_1x_a10"] == {
        "instance_type": {
            "name": "gpu_1x_a10",
            "description": "1x A10 (24 GB PCIe)",
            "gpu_description": "A10 (24 GB PCIe)",
            "price_cents_per_hour": 129,
            "specs": {"vcpus": 30, "memory_gib": 200, "storage_gib": 1400, "gpus": 1},
        },
        "regions_with_capacity_available": [
            {"name": "us-east-1", "description": "Virginia, USA"},
            {"name": "us-west-1", "description": "California, USA"},
        ],
    }


@pytest.mark.parametrize(
    "authorization",
    [
        lambda key: f"Bearer {key}",
        lambda key: f"Basic {base64.b64encode(f'{key}:'.encode()).decode()}",
        lambda key: f"Basic {key}",
    ],
)
def test_a_key_comes_as_a_bearer_or_as_a_user(cloud: Lambda, authorization: Any) -> None:
    said = authorization(str(cloud.api["account_key"]))
    assert cloud.raw("GET", "/api/v1/regions", Authorization=said)[0] == 200


def test_a_body_needs_no_type(cloud: Lambda) -> None:
    bearer = f"Bearer {cloud.api['account_key']}"
    body = json.dumps({"instance_ids": ["0" * 32]}).encode()
    with pytest.raises(Exception, match="404"):
        cloud.raw("POST", "/api/v1/instance-operations/terminate", body, Authorization=bearer)


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"quantity": 2}, 400, "global/invalid-parameters"),
        ({"quantity": "1"}, 400, "global/invalid-parameters"),
        ({"ssh_key_names": []}, 400, "global/invalid-parameters"),
        ({"ssh_key_names": ["laptop", "laptop"]}, 400, "global/invalid-parameters"),
        ({"ssh_key_names": ["nobody's"]}, 400, "global/object-does-not-exist"),
        ({"name": "n" * 65}, 400, "global/invalid-parameters"),
        ({"hostname": "No Host"}, 400, "global/invalid-parameters"),
        ({"tags": [{"key": "Large", "value": ""}]}, 400, "global/invalid-parameters"),
        ({"user_data": "#" * ((1 << 20) + 1)}, 400, "global/invalid-parameters"),
        ({"region_name": "mars-1"}, 400, "global/object-does-not-exist"),
        ({"region_name": "europe-central-1"}, 400, "instance-operations/launch/insufficient-capacity"),
        ({"instance_type_name": "gpu_1x_abacus"}, 400, "global/object-does-not-exist"),
        ({"image": {"family": "windows"}}, 400, "global/object-does-not-exist"),
    ],
)
def test_a_launch_that_is_wrong_is_told_why(cloud: Lambda, change: dict[str, Any], status: int, code: str) -> None:
    assert _asked(cloud, "POST", LAUNCH, {**ORDER, **change}) == (status, code)
    assert not [each for each in cloud.machines() if each["ended"] is None]


def test_a_launch_answers_with_an_id_and_may_be_repeated_for_another(cloud: Lambda) -> None:
    ids = [_asked(cloud, "POST", LAUNCH, {**ORDER, "quantity": 1})[1]["instance_ids"] for _ in range(2)]
    assert len({one for (one,) in ids}) == 2
    assert all(len(one) == 32 and int(one, 16) for (one,) in ids)
    _, listed = _asked(cloud, "GET", "/api/v1/instances")
    assert [each["actions"]["terminate"]["available"] for each in listed] == [True, True]
    both = [one for (one,) in ids]
    assert _asked(cloud, "POST", "/api/v1/instance-operations/terminate", {"instance_ids": [both[0], "0" * 32]}) == (
        404,
        "global/object-does-not-exist",
    )
    _, done = _asked(cloud, "POST", "/api/v1/instance-operations/terminate", {"instance_ids": both})
    assert {each["status"] for each in done["terminated_instances"]} == {"terminating"}
    cloud.advance(20)


def test_a_machine_has_no_key_of_its_own(cloud: Lambda) -> None:
    _, made = _asked(cloud, "POST", LAUNCH, {**ORDER, "name": "mine"})
    (one,) = made["instance_ids"]
    folder = cloud.truth(one)["folder"]
    while not (credentials := _credentials(folder)):
        cloud.advance(0)
    status, said = cloud.ask("GET", f"/api/v1/instances/{one}", key=credentials)
    assert (status, said["error"]["code"]) == (401, "global/invalid-api-key")


def _credentials(folder: str) -> str:
    from pathlib import Path

    place = Path(folder) / "disk" / "sandbox.json"
    return str(json.loads(place.read_bytes())["key"]) if place.exists() else ""


def test_keys_are_made_found_and_forgotten(cloud: Lambda) -> None:
    _, made = _asked(cloud, "POST", "/api/v1/ssh-keys", {"name": "theirs"})
    assert "PRIVATE KEY" in made["private_key"]
    again = {"name": "theirs", "public_key": "ssh-ed25519 AAAA"}
    assert _asked(cloud, "POST", "/api/v1/ssh-keys", again) == (400, "global/invalid-parameters")
    assert "private_key" not in json.dumps(_asked(cloud, "GET", "/api/v1/ssh-keys")[1])
    assert _asked(cloud, "DELETE", f"/api/v1/ssh-keys/{made['id']}") == (200, {})
    assert _asked(cloud, "DELETE", f"/api/v1/ssh-keys/{made['id']}") == (404, "global/object-does-not-exist")


def test_file_systems_have_two_spellings(cloud: Lambda) -> None:
    body = {"name": "data", "region": "us-east-1"}
    _, made = _asked(cloud, "POST", "/api/v1/filesystems", body)
    assert _asked(cloud, "POST", "/api/v1/filesystems", body) == (400, "global/duplicate")
    assert [each["mount_point"] for each in _asked(cloud, "GET", "/api/v1/file-systems")[1]] == ["/lambda/nfs/data"]
    assert _asked(cloud, "DELETE", f"/api/v1/filesystems/{made['id']}")[0] == 200


def test_what_is_not_there_is_said_in_lambdas_words(cloud: Lambda) -> None:
    assert _asked(cloud, "GET", "/api/v1/nothing") == (404, "global/not-found")
    assert _asked(cloud, "GET", f"/api/v1/instances/{'0' * 32}") == (404, "global/object-does-not-exist")
    assert cloud.ask("GET", "/api/v1/instances", key="wrong")[1]["error"]["code"] == "global/invalid-api-key"
    cloud.fault("api-down", calls=1)
    assert _asked(cloud, "GET", "/api/v1/instances") == (503, "provider/internal-unavailable")
