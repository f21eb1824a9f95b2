"""The simulated Vast.ai by its wire alone, as its fact sheet describes it, whoever may ask."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.clouds.cloud import SimulatedCloud
from tests.clouds.fixtures import empty_vast, one_for_all, put_right_after_each, vast

pytestmark = [pytest.mark.timeout(60), pytest.mark.needs("ssh-keygen")]

ORDER: dict[str, Any] = {
    "client_id": "me", "image": "ubuntu:22.04", "env": {"A": "b", "-p 8888:8888": "1"}, "price": None, "disk": 20.0,
    "label": "lab", "extra": None, "onstart": "echo hi", "image_login": None, "python_utf8": False, "force": False,
    "cancel_unavail": False, "template_hash_id": None, "user": None, "runtype": "ssh_direc ssh_proxy",
}  # fmt: skip
ASK = 20000002


one_cloud = one_for_all(vast, scope="module")
cloud = put_right_after_each(empty_vast)


def ordered(cloud: SimulatedCloud, ask: int = ASK, **change: Any) -> int:
    status, content = cloud.ask("PUT", f"/api/v0/asks/{ask}/", {**ORDER, **change})
    assert (status, content["success"]) == (200, True), content
    return int(content["new_contract"])


def shown(cloud: SimulatedCloud, number: int) -> Any:
    return cloud.ask("GET", f"/api/v0/instances/{number}/?owner=me")[1]["instances"]


def until_running(cloud: SimulatedCloud, number: int) -> dict[str, Any]:
    give_up = time.monotonic() + 20
    while True:
        row: dict[str, Any] = shown(cloud, number)
        if row["actual_status"] == "running":
            return row
        assert time.monotonic() < give_up, row
        time.sleep(0.05)


def found(cloud: SimulatedCloud, **query: Any) -> list[dict[str, Any]]:
    status, content = cloud.ask("POST", "/api/v0/bundles/", query)
    assert status == 200, content
    offers: list[dict[str, Any]] = content["offers"]
    return offers


# logs ----------------------------------------------------------------------------------------------------------------


def test_a_log_is_put_elsewhere_a_moment_later_for_whoever_knows_its_address(cloud: SimulatedCloud) -> None:
    number = ordered(cloud)
    status, content = cloud.ask("PUT", f"/api/v0/instances/request_logs/{number}/", {"tail": "5"})
    assert (status, content["success"]) == (200, True)
    address = content["result_url"]
    assert _status(address, Authorization=f"Bearer {cloud.api['account_key']}") == 400
    assert _status(address.replace("Signature=", "Signature=x")) == 403
    assert [_status(address) for _ in range(4)] == [403, 404, 200, 200]
    assert cloud.ask("PUT", f"/api/v0/instances/request_logs/{number}/", {"tail": 5})[0] == 400
    assert cloud.ask("PUT", "/api/v0/instances/request_logs/1/", {"tail": "5"})[0] == 404


def _status(address: str, **headers: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=20) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


# the market ----------------------------------------------------------------------------------------------------------


def test_filters_take_numbers_that_come_as_texts(cloud: SimulatedCloud) -> None:
    plain = found(cloud, num_gpus={"eq": 2}, gpu_ram={"gte": 40000})
    assert plain
    assert {each["num_gpus"] for each in plain} == {2}
    assert found(cloud, num_gpus={"eq": "2"}, gpu_ram={"gte": "40000"}) == plain


def test_names_have_spaces_and_with_underscores_nothing_is_found(cloud: SimulatedCloud) -> None:
    assert found(cloud, gpu_name={"in": ["RTX 4090"]})
    assert found(cloud, gpu_name={"eq": "RTX_4090"}) == []


def test_scopes_places_order_and_limit_are_kept(cloud: SimulatedCloud) -> None:
    offers = found(cloud, datacenter={"eq": True}, geolocation={"in": ["US"]}, order=[["dph_total", "asc"]], limit="3")
    assert len(offers) == 3
    assert [each["dph_total"] for each in offers] == sorted(each["dph_total"] for each in offers)
    assert all(each["hosting_type"] >= 1 and each["geolocation"].endswith("US") for each in offers)


@pytest.mark.parametrize(
    "query", [{"no_such_field": {"eq": 1}}, {"gpu_ram": {"about": 1}}, {"gpu_ram": 1}, {"type": 7}]
)
def test_a_query_without_sense_is_400(cloud: SimulatedCloud, query: dict[str, Any]) -> None:
    status, content = cloud.ask("POST", "/api/v0/bundles/", query)
    assert (status, content["error"]) == (400, "invalid_request")


def test_the_disk_that_is_asked_for_is_in_the_price(cloud: SimulatedCloud) -> None:
    (one,) = [each for each in found(cloud, allocated_storage=8) if each["id"] == ASK]
    (other,) = [each for each in found(cloud, allocated_storage=80) if each["id"] == ASK]
    assert other["dph_total"] - one["dph_total"] == pytest.approx(72 * 0.15 / 720)
    assert other["dph_base"] == one["dph_base"]


def test_a_search_needs_no_key_and_a_bad_one_is_404(cloud: SimulatedCloud) -> None:
    assert raw(cloud, "POST", "/api/v0/bundles/", {}, key=None)[0] == 200
    status, _, body = raw(cloud, "POST", "/api/v0/bundles/", {}, key="bad")
    assert (status, b"Invalid user key" in body) == (404, True)
    assert raw(cloud, "GET", "/api/v1/instances/", key="bad")[0] == 401
    key = cloud.api["account_key"]
    assert raw(cloud, "GET", f"/api/v1/instances/?api_key={key}", key=None)[0] == 200


@pytest.mark.parametrize("path", ["/api/v0/users/current", "/api/v0/users/current/", "/api/v0/gpu_names/unique"])
def test_a_slash_at_the_end_makes_no_difference(cloud: SimulatedCloud, path: str) -> None:
    assert raw(cloud, "GET", path)[0] == 200


# orders --------------------------------------------------------------------------------------------------------------


def test_without_cancel_unavail_a_taken_ask_becomes_an_instance_that_is_stopped_and_billed(
    cloud: SimulatedCloud,
) -> None:
    ordered(cloud)
    number = ordered(cloud)
    row = shown(cloud, number)
    assert [row[name] for name in ("actual_status", "intended_status", "cur_state", "next_state")] == [
        None, "stopped", "stopped", "stopped",
    ]  # fmt: skip
    status, content = cloud.ask("PUT", f"/api/v0/asks/{ASK}/", {**ORDER, "cancel_unavail": True})
    assert (status, content["error"]) == (410, "no_such_ask")


def test_by_default_an_order_on_demand_cancels(cloud: SimulatedCloud) -> None:
    ordered(cloud)
    plain = {name: value for name, value in ORDER.items() if name != "cancel_unavail"}
    assert cloud.ask("PUT", f"/api/v0/asks/{ASK}/", plain)[0] == 410


@pytest.mark.parametrize(
    "change",
    [
        {"env": "-e A=b"}, {"image": None}, {"onstart": "x" * 4097}, {"args": ["x" * 4000], "onstart": "x" * 97},
        {"env": {"A": "x" * 32768}}, {"label": "x" * 257}, {"price": 129}, {"price": 0}, {"disk": 7},
        {"runtype": "telnet"},
    ],
)  # fmt: skip
def test_an_order_without_sense_is_400(cloud: SimulatedCloud, change: dict[str, Any]) -> None:
    status, content = cloud.ask("PUT", f"/api/v0/asks/{ASK}/", {**ORDER, **change})
    assert (status, content["success"]) == (400, False)


def test_a_life_goes_from_null_over_loading_to_running(cloud: SimulatedCloud) -> None:
    cloud.fault("slow-boot", value=100, calls=1)
    number = ordered(cloud)
    row = shown(cloud, number)
    assert (row["actual_status"], row["ports"], row["label"]) == (None, None, "lab")
    cloud.advance(60)
    assert shown(cloud, number)["actual_status"] == "loading"
    cloud.advance(60)
    row = until_running(cloud, number)
    assert set(row["ports"]) == {"22/tcp", "8888/tcp"}
    assert isinstance(row["ports"]["22/tcp"][0]["HostPort"], str)
    assert row["extra_env"] == [["A", "b"], ["-p 8888:8888", "1"]]


def test_without_a_direct_runtype_there_are_no_ports(cloud: SimulatedCloud) -> None:
    assert until_running(cloud, ordered(cloud, runtype="ssh_proxy"))["ports"] is None


# instances -----------------------------------------------------------------------------------------------------------


def test_what_is_not_there_is_null_and_cannot_be_changed(cloud: SimulatedCloud) -> None:
    assert cloud.ask("GET", "/api/v0/instances/1/") == (200, {"instances": None})
    status, content = cloud.ask("PUT", "/api/v0/instances/1/", {"state": "stopped"})
    assert (status, content["error"]) == (404, "no_such_instance")
    status, content = cloud.ask("DELETE", "/api/v0/instances/1/", {})
    assert (status, content["error"], content["msg"]) == (404, "not_found", "Instance not found")


def test_stopping_naming_starting_and_destroying(cloud: SimulatedCloud) -> None:
    number = ordered(cloud)
    until_running(cloud, number)
    path = f"/api/v0/instances/{number}/"
    assert cloud.ask("PUT", path, {"state": "stopped"}) == (200, {"success": True})
    assert (shown(cloud, number)["actual_status"], shown(cloud, number)["cur_state"]) == ("exited", "stopped")
    assert cloud.ask("PUT", path, {"label": "foo"}) == (200, {"success": True})
    assert shown(cloud, number)["label"] == "foo"
    assert cloud.ask("PUT", path, {"state": "running"}) == (200, {"success": True})
    until_running(cloud, number)
    assert cloud.ask("DELETE", path, {}) == (200, {"success": True})
    assert shown(cloud, number) is None


def test_a_machine_that_is_switched_off_from_inside_is_exited_and_stays(cloud: SimulatedCloud) -> None:
    number = ordered(cloud, onstart="poweroff")
    give_up = time.monotonic() + 20
    while shown(cloud, number)["actual_status"] != "exited":
        assert time.monotonic() < give_up
        time.sleep(0.05)
    assert shown(cloud, number)["intended_status"] == "running"


def test_the_key_of_an_instance_starts_stops_and_destroys_that_instance_and_nothing_else(cloud: SimulatedCloud) -> None:
    _, content = cloud.ask("PUT", f"/api/v0/asks/{ASK}/", ORDER)
    own, other = content["new_contract"], ordered(cloud, ask=ASK + 1)
    key = content["instance_api_key"]
    for method, path, body in (
        ("GET", f"/api/v0/instances/{own}/", None),
        ("GET", "/api/v1/instances/", None),
        ("GET", "/api/v0/users/current/", None),
        ("PUT", f"/api/v0/instances/{own}/", {"label": "x"}),
        ("DELETE", f"/api/v0/instances/{other}/", {}),
        ("PUT", f"/api/v0/asks/{ASK + 2}/", ORDER),
    ):
        assert cloud.ask(method, path, body, key=key)[0] == 403, path
    for state in ("stopped", "running"):
        assert cloud.ask("PUT", f"/api/v0/instances/{own}/", {"state": state}, key=key) == (200, {"success": True})
    assert cloud.ask("DELETE", f"/api/v0/instances/{own}/", key=key) == (200, {"success": True})


def test_pages_hold_25_and_their_tokens_are_checked(cloud: SimulatedCloud) -> None:
    for ask in range(20000001, 20000028):
        cloud.fault("never-boots", calls=1)
        ordered(cloud, ask=ask)
    order = json.dumps([{"col": "id", "dir": "asc"}])
    asked = {"limit": "25", "select_filters": "{}", "order_by": order}
    _, page = cloud.ask("GET", f"/api/v1/instances/?{urlencode(asked)}")
    assert (len(page["instances"]), page["total_instances"]) == (25, 27)
    _, rest = cloud.ask("GET", f"/api/v1/instances/?{urlencode({**asked, 'after_token': page['next_token']})}")
    assert (len(rest["instances"]), rest["next_token"]) == (2, None)
    assert len(cloud.ask("GET", "/api/v1/instances/")[1]["instances"]) == 25
    status, content = cloud.ask("GET", "/api/v1/instances/?after_token=never")
    assert (status, content["error"]) == (400, "invalid_token")
    assert cloud.ask("GET", "/api/v1/instances/?limit=26")[0] == 400


def test_a_listing_is_filtered_by_label_and_not_by_what_is_computed(cloud: SimulatedCloud) -> None:
    ordered(cloud)
    number = ordered(cloud, ask=ASK + 1, label="jk-7f3a9c")
    wanted = urlencode({"select_filters": json.dumps({"label": {"eq": "jk-7f3a9c"}})})
    assert [each["id"] for each in cloud.ask("GET", f"/api/v1/instances/?{wanted}")[1]["instances"]] == [number]
    computed = urlencode({"select_filters": json.dumps({"ports": {"eq": 1}})})
    assert cloud.ask("GET", f"/api/v1/instances/?{computed}")[0] == 400


def test_keys_of_the_account_enter_what_is_created_afterwards_and_others_are_attached(cloud: SimulatedCloud) -> None:
    early = ordered(cloud)
    added = cloud.ask("POST", "/api/v0/ssh/", {"ssh_key": "ssh-ed25519 AAAA account"})[1]["key"]
    late = ordered(cloud, ask=ASK + 1)
    cloud.ask("POST", f"/api/v0/instances/{early}/ssh/", {"ssh_key": "ssh-ed25519 BBBB own"})
    assert cloud.ask("GET", f"/api/v0/instances/{early}/ssh/")[1]["ssh_keys"][0]["public_key"].endswith("own")
    assert cloud.ask("GET", f"/api/v0/instances/{late}/ssh/")[1]["ssh_keys"] == []
    until_running(cloud, early)
    until_running(cloud, late)
    lines = [_admitted(cloud, number) for number in (early, late)]
    assert lines == ["ssh-ed25519 BBBB own", "ssh-ed25519 AAAA account"]
    cloud.ask("DELETE", f"/api/v0/ssh/{added['id']}/")
    assert cloud.ask("GET", "/api/v0/ssh/")[1] == []


def _admitted(cloud: SimulatedCloud, number: int) -> str:
    from pathlib import Path

    return (Path(cloud.truth(str(number))["folder"]) / "authorized_keys").read_text().strip()


# limits and money ----------------------------------------------------------------------------------------------------


def test_each_call_has_a_pace_of_its_own_where_that_is_wished_for(cloud: SimulatedCloud) -> None:
    cloud.control("POST", "vast/switch", {"paced": True})
    assert cloud.ask("GET", "/api/v0/instances/1/")[0] == 200
    status, headers, body = raw(cloud, "GET", "/api/v0/instances/1/")
    assert (status, headers["Content-Type"]) == (429, "text/plain")
    assert body.startswith(b"API requests too frequent")
    assert "Retry-After" not in headers
    assert cloud.ask("GET", "/api/v1/instances/")[0] == 200
    cloud.advance(2.1)
    assert cloud.ask("GET", "/api/v0/instances/1/")[0] == 200


def test_the_charges_show_disk_and_traffic_apart(cloud: SimulatedCloud) -> None:
    number = ordered(cloud)
    cloud.advance(3600)
    assert cloud.ask("GET", "/api/v0/charges/")[0] == 400
    query = urlencode({"select_filters": json.dumps({"day": {"gte": 0, "lte": 9}}), "limit": "20"})
    results = cloud.ask("GET", f"/api/v0/charges/?{query}")[1]["results"]
    (one,) = [each for each in results if each["source"] == f"instance-{number}"]
    amounts = {each["type"]: each["amount"] for each in one["items"]}
    assert amounts["disk"] == pytest.approx(20 * 0.15 / 720, rel=0.01)
    assert amounts["bwd"] > 0
    assert one["amount"] == pytest.approx(sum(amounts.values()))
    before = amounts["gpu"]
    cloud.ask("PUT", f"/api/v0/instances/{number}/", {"state": "stopped"})
    cloud.advance(3600)
    results = cloud.ask("GET", f"/api/v0/charges/?{query}")[1]["results"]
    (one,) = [each for each in results if each["source"] == f"instance-{number}"]
    amounts = {each["type"]: each["amount"] for each in one["items"]}
    assert amounts["gpu"] == pytest.approx(before, rel=0.01)
    assert amounts["disk"] == pytest.approx(2 * 20 * 0.15 / 720, rel=0.01)


def test_what_it_remembers_survives_its_death(cloud: SimulatedCloud) -> None:
    number = ordered(cloud, label="kept", disk=40)
    cloud.kill()
    cloud.start()
    row = shown(cloud, number)
    assert (row["label"], row["disk_space"], row["image_uuid"]) == ("kept", 40.0, "ubuntu:22.04")


def raw(
    cloud: SimulatedCloud, method: str, path: str, body: object = None, *, key: str | None = ""
) -> tuple[int, Any, bytes]:
    """Status, headers and body as they are; `None`: without a key."""
    api = cloud.api
    token = api["account_key"] if key == "" else key
    request = urllib.request.Request(  # noqa: S310 - it is http, on this computer
        api["address"] + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}"} if token else {},
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()
