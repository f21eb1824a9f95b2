"""The simulated RunPod by its wire alone: what a client that is not ours would see."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.clouds.cloud import SimulatedCloud
from tests.clouds.fixtures import empty_runpod, end_pod, one_for_all, put_right_after_each, runpod
from tests.clouds.runpod_graphql import BadQuery, parse, pick

pytestmark = [pytest.mark.timeout(60), pytest.mark.needs("ssh-keygen")]

ORDER: Mapping[str, Any] = {
    "name": "jk",
    "image": "runpod/pytorch",
    "gpu": {"id": "NVIDIA GeForce RTX 4090", "count": 2},
    "ports": ["22/tcp"],
    "env": {"PUBLIC_KEY": "ssh-ed25519 AAAA"},
}
CATALOG = "/v2/catalog/gpus"
WITH_STOCK = f"{CATALOG}?include=AVAILABILITY&product=POD"


def _as_usual(cloud: SimulatedCloud) -> None:
    usual = {"balance": "100", "per_minute": 0, "forbids": "", "ssh_keys": [], "is_cluster": False}
    cloud.control("POST", "runpod", usual)
    empty_runpod(cloud)


one_cloud = one_for_all(runpod, scope="module")
cloud = put_right_after_each(_as_usual)


def _raw(cloud: SimulatedCloud, method: str, path: str) -> tuple[int, Mapping[str, str], bytes]:
    key = {"Authorization": f"Bearer {cloud.api['account_key']}"}
    request = urllib.request.Request(cloud.api["address"] + path, method=method, headers=key)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (CATALOG, 200),
        (WITH_STOCK, 200),
        (f"{CATALOG}?include=AVAILABILITY", 400),
        (f"{CATALOG}?product=POD", 400),
        (f"{CATALOG}?cloud=SECURE", 400),
        (f"{WITH_STOCK}&countryCodes=RO,US", 200),
        (f"{WITH_STOCK}&countryCodes=ro", 422),
        (f"{WITH_STOCK}&cudaVersions=12.8&minCudaVersion=12.1", 400),
        (f"{WITH_STOCK}&count=0", 422),
        (f"{CATALOG}/{quote('NVIDIA L4')}", 200),
        (f"{CATALOG}/nothing", 404),
        ("/v2/catalog/datacenters?include=GPU_AVAILABILITY&regions=EUROPE", 200),
        ("/v2/pods?whatever=1", 200),
        ("/v2/pods/nothing", 404),
        ("/v2/nothing", 404),
    ],
)
def test_the_rules_of_a_query(cloud: SimulatedCloud, query: str, status: int) -> None:
    answered, content = cloud.ask("GET", query)
    assert answered == status
    if status >= 400:
        assert content["status"] == status
        assert content["detail"]


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"colour": "red"}, 422, "additional properties 'colour' not allowed"),
        ({"image": None}, 422, "$.image: got NoneType"),
        ({"gpu": {"id": "NVIDIA L4"}}, 400, "no longer any instances"),  # without a count none is found
        (
            {"gpu": {"id": "NVIDIA L4", "count": 1, "minCudaVersion": "12.8", "allowedCudaVersions": []}},
            400,
            "exclusive",
        ),
        ({"cpu": {"id": "cpu5c", "vcpuCount": 4}}, 400, "exactly one"),
        ({"mounts": {"persistent": {}, "network": []}}, 400, "exclusive"),
        ({"dataCenterIds": ["CA-MTL-1"]}, 400, "no longer any instances"),
        ({"templateId": "x"}, 404, "template"),
        ({"cloud": "ALL"}, 422, "$.cloud"),
        ({"env": {"A": 1}}, 422, "$.env"),
    ],
)
def test_the_rules_of_an_order(cloud: SimulatedCloud, change: dict[str, Any], status: int, said: str) -> None:
    answered, content = cloud.ask("POST", "/v2/pods", {**ORDER, **change})
    assert answered == status
    assert said in json.dumps(content)
    assert cloud.ask("GET", "/v2/pods")[1] == {"pods": []}


def test_a_pod_as_it_is_answered_first_and_a_second_delete(cloud: SimulatedCloud) -> None:
    status, pod = cloud.ask("POST", "/v2/pods", ORDER)
    assert (status, pod["status"], pod["cost"], pod["ssh"]["direct"]) == (201, "STARTING", 1.38, None)
    assert pod["env"] == ORDER["env"]
    assert _raw(cloud, "DELETE", f"/v2/pods/{pod['id']}")[0::2] == (204, b"")
    assert cloud.ask("DELETE", f"/v2/pods/{pod['id']}")[0] == 404


@pytest.mark.parametrize("args", ["", "sleep infinity"])
def test_args_of_ones_own_keep_ssh_from_starting(cloud: SimulatedCloud, args: str) -> None:
    for extra, has_ssh in (({}, True), ({"args": args}, False), ({"args": "bash -c 'exec /start.sh'"}, True)):
        pod = cloud.ask("POST", "/v2/pods", {**ORDER, **extra})[1]
        assert cloud.truth(pod["id"])["has_ssh"] is has_ssh
        end_pod(cloud, pod["id"])


def test_every_answer_says_what_is_left_of_the_minute(cloud: SimulatedCloud) -> None:
    _, headers, _ = _raw(cloud, "GET", "/v2/pods")
    assert headers["RateLimit"].startswith('"minute";r=')
    assert headers["RateLimit-Policy"].startswith('"minute";q=60;w=60')
    cloud.control("POST", "runpod", {"per_minute": 1})
    status, headers, body = _raw(cloud, "GET", "/v2/pods")
    assert (status, json.loads(body)["detail"]) == (429, "rate limit exceeded for the minute window")
    assert 1 <= int(headers["Retry-After"]) <= 60
    assert headers["Content-Type"] == "application/problem+json"


def test_what_it_does_not_know_to_do(cloud: SimulatedCloud) -> None:
    status, headers, _ = _raw(cloud, "PUT", "/v2/pods")
    assert (status, headers["Allow"]) == (405, "GET, POST")
    pod = cloud.ask("POST", "/v2/pods", ORDER)[1]
    assert cloud.ask("POST", f"/v2/pods/{pod['id']}/action", {"action": "fly"})[0] == 422
    assert cloud.ask("POST", f"/v2/pods/{pod['id']}/action", {"action": "start"})[0] == 409


def test_keys_of_the_account_are_injected_when_asked_and_ours_go_first(cloud: SimulatedCloud) -> None:
    cloud.ask("PUT", "/v2/account/ssh-keys", {"keys": ["ssh-ed25519 MINE"]})
    bare = {name: value for name, value in ORDER.items() if name != "env"}
    for order, key in (
        ({**bare, "startSsh": True}, "ssh-ed25519 MINE"),
        ({**ORDER, "startSsh": True}, "ssh-ed25519 AAAA"),
    ):
        pod = cloud.ask("POST", "/v2/pods", order)[1]
        assert cloud.truth(pod["id"])["environment"]["PUBLIC_KEY"] == key


def test_graphql_says_no_with_status_200_and_what_it_cannot_read_with_400(cloud: SimulatedCloud) -> None:
    cloud.fault("no-capacity", calls=1)
    query = "mutation($i: PodFindAndDeployOnDemandInput!){podFindAndDeployOnDemand(input:$i){id}}"
    order = {"name": "jk", "imageName": "x", "gpuTypeId": "NVIDIA L4", "gpuCount": 1, "cloudType": "SECURE"}
    status, content = cloud.ask("POST", "/graphql", {"query": query, "variables": {"i": order}})
    assert (status, content["data"]) == (200, None)
    assert "no longer any instances" in content["errors"][0]["message"]
    for variables in ({}, {"i": {**order, "colour": 1}}, {"i": {**order, "terminateAfter": "1h"}}):
        assert cloud.ask("POST", "/graphql", {"query": query, "variables": variables})[0] == 400
    assert cloud.ask("POST", "/graphql", {"query": "{myself{id}}"}, key="wrong")[0] == 401
    assert cloud.ask("POST", "/graphql", {"query": "{gpuTypes{id}}"}, key="wrong")[0] == 200
    assert cloud.ask("POST", "/graphql", {"query": "{gpuTypes{colour}}"})[0] == 400
    assert cloud.ask("GET", "/graphql")[0] == 400


def test_a_query_with_literals_is_read_as_one_with_variables() -> None:
    literal = parse('mutation{a(input:{x:"1 \\"2\\"",y:[1,2.5,true,null],z:BIG}){b c:d}}', {})
    by_name = parse(
        "mutation m($i: I!){a(input:$i){b c:d}}", {"i": {"x": '1 "2"', "y": [1, 2.5, True, None], "z": "BIG"}}
    )
    assert literal.fields == by_name.fields
    assert pick({"b": 1, "d": 2, "e": 3}, literal.fields[0].fields, "A") == {"b": 1, "c": 2}
    for wrong in ("", "{", "{a(}", "{a{}}", "mutation($i:I!){a(input:$i)}", "{a(x:'1')}"):
        with pytest.raises(BadQuery):
            parse(wrong, {})


def test_a_pod_is_provisioning_then_starting_then_running(cloud: SimulatedCloud) -> None:
    cloud.fault("slow-boot", value=100, calls=1)
    path = f"/v2/pods/{cloud.ask('POST', '/v2/pods', ORDER)[1]['id']}"
    said = []
    for seconds in (0, 60, 50):
        cloud.advance(seconds)
        pod = cloud.ask("GET", path)[1]
        said.append((pod["status"], "restart" in pod["actions"]))
    assert said[:2] == [("PROVISIONING", False), ("STARTING", False)]
    _until_running(cloud, path)


def test_a_restart_moves_the_public_port(cloud: SimulatedCloud) -> None:
    path = f"/v2/pods/{cloud.ask('POST', '/v2/pods', ORDER)[1]['id']}"
    before = _until_running(cloud, path)
    assert cloud.ask("POST", f"{path}/action", {"action": "restart"})[0] == 200
    after = _until_running(cloud, path)
    assert after["runtime"]["ports"][0]["public"] != before["runtime"]["ports"][0]["public"]


def _until_running(cloud: SimulatedCloud, path: str) -> dict[str, Any]:
    give_up = time.monotonic() + 20
    while True:
        pod: dict[str, Any] = cloud.ask("GET", path)[1]
        if pod["status"] == "RUNNING" and pod["ssh"]["direct"]:
            return pod
        assert time.monotonic() < give_up, pod
        time.sleep(0.05)


# logs ----------------------------------------------------------------------------------------------------------------


def test_a_log_is_a_stream_of_events_that_goes_on(cloud: SimulatedCloud) -> None:
    ref = cloud.ask("POST", "/v2/pods", {**ORDER, "args": "sh -c 'echo one; echo two; echo three'"})[1]["id"]
    folder = next(each["folder"] for each in cloud.machines() if each["machine_id"] == ref)
    console, give_up = Path(folder) / "console.log", time.monotonic() + 20
    while not (console.exists() and "three" in console.read_text()):
        assert time.monotonic() < give_up
        time.sleep(0.05)
    address = f"{cloud.api['address']}/v2/pods/{ref}/logs?tail=2"
    key = {"Authorization": f"Bearer {cloud.api['account_key']}"}
    with urllib.request.urlopen(urllib.request.Request(address, headers=key), timeout=20) as answer:  # noqa: S310
        assert answer.headers["Content-Type"] == "text/event-stream"
        said = [answer.readline().decode().rstrip("\n") for _ in range(6)]
    assert [each.partition(":")[0] for each in said] == ["id", "data", "", "id", "data", ""]
    told = [json.loads(each.removeprefix("data: ")) for each in said if each.startswith("data: ")]
    assert [(sorted(each), each["line"]) for each in told] == [
        (["line", "source", "ts"], each) for each in ("two", "three")
    ]
    assert _raw(cloud, "GET", f"/v2/pods/{ref}/logs?tail=9000")[0] == 422
    assert _raw(cloud, "GET", "/v2/pods/nothing/logs")[0] == 404
