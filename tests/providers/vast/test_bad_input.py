"""Answers that no sound cloud gives: they are unclear, and never an empty listing or a wrong price."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from jupyter_gpu_bridge.errors import CloudError, Unclear
from jupyter_gpu_bridge.machine.lease import HostKey, LeasePlan, start_script
from jupyter_gpu_bridge.model import CreatePlan, Money, Need, Offer, Ref, SeenState
from jupyter_gpu_bridge.providers.vast import MOST_ENVIRONMENT, MOST_START, Vast
from jupyter_gpu_bridge.sandbox.http import Answer, Request
from tests.providers.scripted import Reply, Scripted, scripted
from tests.sshd import make_key, public_half

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

OFFER = Offer("vast", "123", "RTX 4090", 1, 24564, Money.parse("0.40"), disk_gib=30)
PLAN = CreatePlan(OFFER, "gpu-bridge-x", "ssh-ed25519 AAAA mine", "true", timedelta(hours=1))
ASK: dict[str, Any] = {
    "id": 123, "gpu_name": "RTX 4090", "num_gpus": 1, "gpu_ram": 24564, "dph_base": 0.389, "dph_total": 0.39525,
    "min_bid": 0.15, "cpu_cores": 64, "cpu_cores_effective": 16.0, "cpu_ram": 257604, "reliability": 0.99,
}  # fmt: skip
ROW: dict[str, Any] = {"id": 7, "label": "gpu-bridge-x", "actual_status": "loading", "dph_total": 0.4}
HTML = Answer(200, raw=b"<html>It works!</html>")
CUT = Answer(200, raw=b'{"offers": [{"id": 1')
NONSENSE = [HTML, CUT, Answer(200, []), Answer(200, None), Answer(200, "fine"), Answer(200, 7), Answer(200, {})]


@asynccontextmanager
async def vast(*replies: Reply) -> AsyncIterator[tuple[Vast, Scripted]]:
    async with scripted(*replies) as script:
        made = Vast(key="secret", address=script.address)
        try:
            yield made, script
        finally:
            await made.close()


@pytest.mark.parametrize("answer", NONSENSE)
async def test_nonsense_is_unclear_whatever_was_asked(answer: Answer) -> None:
    async with vast(answer) as (made, script):
        for call in (made.check(), made.offers(Need()), made.get(Ref("7")), made.list(), made.create(PLAN)):
            with pytest.raises(Unclear):
                await call
        assert all("secret" not in heard.path for heard in script.heard)


@pytest.mark.parametrize("status", [301, 307, 308])
async def test_no_redirect_is_followed(status: int) -> None:
    async with vast(Answer(status, {}, headers={"Location": "/elsewhere"})) as (made, script):
        for call in (made.create(PLAN), made.destroy(Ref("7")), made.list()):
            with pytest.raises(Unclear):
                await call
        assert not any("elsewhere" in heard.path for heard in script.heard)


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 410, 429])
async def test_no_error_tells_the_key_however_the_cloud_repeats_it(status: int) -> None:
    said = {"success": False, "error": "x", "msg": "What is this secret?", "email": "secret"}
    async with vast(Answer(status, said)) as (made, _):
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: made.offers(Need()),
            lambda: made.create(PLAN),
            lambda: made.get(Ref("7")),
            made.list,
        ]
        for call in calls:
            with pytest.raises(CloudError) as caught:
                await call()
            assert "secret" not in str(caught.value)


# offers --------------------------------------------------------------------------------------------------------------


async def _offered(*rows: dict[str, Any], need: Need = Need()) -> list[Offer]:  # noqa: B008 - frozen
    async with vast(Answer(200, {"offers": list(rows)})) as (made, _):
        return list(await made.offers(need))


@pytest.mark.parametrize("price", [0.39525, "0.39525", "$0.39525"])
async def test_a_price_is_read_exactly_also_from_a_text(price: object) -> None:
    (offer,) = await _offered({**ASK, "dph_total": price})
    assert offer.price == Money(395_250)


@pytest.mark.parametrize(
    "change",
    [
        {"dph_total": None}, {"dph_total": -1}, {"dph_total": 0}, {"dph_total": "cheap"}, {"dph_total": True},
        {"dph_total": [1]}, {"id": None}, {"id": "x"}, {"gpu_name": None}, {"num_gpus": None}, {"gpu_ram": "much"},
        {"gpu_ram": "NaN"}, {"reliability": {}}, {"duration": "long"},
    ],
)  # fmt: skip
async def test_the_nonsense_of_one_host_costs_its_own_row(change: dict[str, object]) -> None:
    (offer,) = await _offered({**ASK, **change}, {**ASK, "id": 124})
    assert offer.offer_id == "124"
    with pytest.raises(Unclear):
        await _offered({**ASK, **change})


async def test_nothing_offered_is_nothing_and_no_error() -> None:
    assert await _offered() == []


@pytest.mark.parametrize(
    "change", [{"rentable": False}, {"rented": True}, {"verification": "deverified"}, {"direct_port_count": 0}]
)
async def test_what_the_filters_should_have_kept_away_is_kept_away(change: dict[str, object]) -> None:
    assert [each.offer_id for each in await _offered({**ASK, **change}, {**ASK, "id": 124})] == ["124"]


async def test_missing_null_and_unknown_fields_are_normal() -> None:
    bare = {name: ASK[name] for name in ("id", "gpu_name", "num_gpus", "gpu_ram", "dph_total")}
    nulls = dict.fromkeys(["cpu_cores", "cpu_ram", "geolocation", "duration", "verification", "compute_cap"])
    for row in (bare, {**bare, **nulls}, {**bare, "a field of tomorrow": {"deep": [1]}}):
        (offer,) = await _offered(row)
        assert (offer.region, offer.memory_mib, offer.cpus, offer.lasts) == ("", 0, 0, None)


@pytest.mark.parametrize(("cores", "memory"), [(64, 64401), (0, 128802), (None, 128802)])
async def test_memory_is_the_share_of_the_cores_or_of_the_gpus(cores: int | None, memory: int) -> None:
    (offer,) = await _offered({**ASK, "cpu_cores": cores, "gpu_frac": 0.5})
    assert offer.memory_mib == memory


@pytest.mark.parametrize(
    ("place", "region"), [("Utah, US", "US"), (", US", "US"), ("Norway, NO", "NO"), (None, ""), ("US", "US")]
)
async def test_a_region_is_the_code_of_its_country(place: str | None, region: str) -> None:
    (offer,) = await _offered({**ASK, "geolocation": place})
    assert offer.region == region


@pytest.mark.parametrize(("told", "meant"), [(890, "8.9"), (1200, "12.0"), (750, "7.5"), (800.0, "8.0")])
async def test_a_compute_capability_is_written_as_usual(told: float, meant: str) -> None:
    (offer,) = await _offered({**ASK, "compute_cap": told})
    assert offer.compute_capability == meant


async def test_a_search_asks_for_what_can_be_used_and_for_the_disk_that_will_be_rented() -> None:
    async with vast(Answer(200, {"offers": []})) as (made, script):
        await made.offers(Need(disk_gib=100, allows_spot=True))
        one, other = (heard.body for heard in script.heard)
    assert (one["type"], other["type"]) == ("on-demand", "bid")
    assert one["allocated_storage"] == one["disk_space"]["gte"] == 108
    assert (one["verified"], one["external"]) == ({"eq": True}, {"eq": False})
    assert (one["rentable"], one["rented"]) == ({"eq": True}, {"eq": False})
    assert "gpu_name" not in one


# orders and instances ------------------------------------------------------------------------------------------------


async def test_an_order_says_that_nothing_is_to_be_left_behind() -> None:
    async with vast(Answer(200, {"success": True, "new_contract": 7})) as (made, script):
        assert (await made.create(PLAN)).ref == "7"
        (heard,) = script.heard
    assert (heard.method, heard.path) == ("PUT", "/api/v0/asks/123")
    assert (heard.body["cancel_unavail"], heard.body["price"], heard.body["label"]) == (True, None, "gpu-bridge-x")
    assert heard.body["runtype"] == "ssh_direc ssh_proxy"
    assert isinstance(heard.body["env"], dict)
    assert "secret" not in json.dumps(heard.body)


@pytest.mark.parametrize("content", [{"success": True}, {"new_contract": None}, {"new_contract": "seven"}])
async def test_an_order_without_an_id_is_unclear_and_sent_once(content: dict[str, object]) -> None:
    async with vast(Answer(200, content)) as (made, script):
        with pytest.raises(Unclear):
            await made.create(PLAN)
        assert len(script.heard) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_an_error_of_the_cloud_is_unclear_and_the_order_is_sent_once(status: int) -> None:
    async with vast(Answer(status, {"success": False, "new_contract": 7})) as (made, script):
        with pytest.raises(Unclear):
            await made.create(PLAN)
        assert len(script.heard) == 1


async def test_only_the_word_of_the_api_says_that_an_instance_is_not_there() -> None:
    gone = [
        Answer(200, {"instances": None}),
        Answer(404, {"success": False, "error": "no_such_instance"}),
        Answer(404, {"success": False, "error": "not_found", "msg": "Instance not found"}),
    ]
    for answer in gone:
        async with vast(answer) as (made, _):
            assert await made.get(Ref("7")) is None
    for answer in (
        Answer(404, {}),
        Answer(404, raw=b"<html>"),
        Answer(200, {"instance": ROW}),
        Answer(200, {"instances": []}),
    ):
        async with vast(answer) as (made, _):
            with pytest.raises(CloudError):
                await made.get(Ref("7"))


@pytest.mark.parametrize("change", [{"id": None}, {"label": 7}, {"actual_status": 1}, {"dph_total": "dear"}])
async def test_a_listing_with_a_row_of_nonsense_is_unclear_and_never_shorter(change: dict[str, object]) -> None:
    async with vast(Answer(200, {"instances": [ROW, {**ROW, **change}], "next_token": None})) as (made, _):
        with pytest.raises(Unclear):
            await made.list()


async def test_a_listing_that_does_not_end_is_unclear() -> None:
    full = [{**ROW, "id": number} for number in range(25)]
    for page in (
        {"instances": full},
        {"instances": [], "next_token": "more"},
        {"instances": full, "next_token": "the same for ever"},
        {"instances": full, "next_token": 7},
    ):
        async with vast(Answer(200, page)) as (made, script):
            with pytest.raises(Unclear):
                await made.list()
            assert len(script.heard) <= 2


async def test_rows_without_a_label_are_of_others() -> None:
    rows = [{**ROW, "label": None}, {"id": 8}, {**ROW, "label": "mine"}, ROW]
    async with vast(Answer(200, {"instances": rows, "next_token": None})) as (made, _):
        assert [each.name for each in await made.list()] == ["gpu-bridge-x"]


async def test_a_destroy_that_says_that_it_failed_is_unclear() -> None:
    async with vast(Answer(200, {"success": False, "error": "busy"})) as (made, _):
        with pytest.raises(Unclear, match="busy"):
            await made.destroy(Ref("7"))


@pytest.mark.parametrize(
    "environment",
    [
        [["GPU_BRIDGE_PUBLIC_KEY", "ssh-ed25519,AAAA,mine"]],
        ["GPU_BRIDGE_PUBLIC_KEY=ssh-ed25519,AAAA,mine", "A=b=c"],
        [["A", "b"], "odd", 7, ["too", "many", "words"], ["GPU_BRIDGE_PUBLIC_KEY", "ssh-ed25519,AAAA,mine"]],
    ],
)
async def test_the_key_to_be_attached_is_read_in_either_form(environment: list[object]) -> None:
    row = {**ROW, "actual_status": "running", "ssh_host": "h", "ssh_port": 1, "extra_env": environment}

    def answered(request: Request) -> Answer:
        if request.method == "POST":
            return Answer(200, {"success": True})
        return Answer(200, {"instances": row}) if not request.path.endswith("/ssh") else Answer(200, {"ssh_keys": []})

    async with vast(answered) as (made, script):
        seen = await made.get(Ref("7"))
        assert seen is not None
        assert seen.state is SeenState.RUNNING
        assert script.heard[-1].body == {"ssh_key": "ssh-ed25519 AAAA mine"}


def test_the_real_start_script_fits_into_the_environment_and_not_into_the_command(tmp_path: Any) -> None:
    """About 19,600 characters, packed about 8,700; where 4,096 and 32,768 fit."""
    key = make_key(tmp_path / "host")
    lease = LeasePlan(
        "gpu-bridge-abcdefgh-0123456789ab",
        timedelta(minutes=20),
        timedelta(hours=8),
        removal=Vast(key="x").traits.removal,
        host_key=HostKey(key.read_text(), public_half(key)),
    )
    order = _order_for(start_script(lease))
    packed = len(order["env"]["GPU_BRIDGE_START"])
    assert MOST_START < packed < 10_000
    assert sum(len(name) + len(value) for name, value in order["env"].items()) < MOST_ENVIRONMENT // 3
    assert len(order["onstart"]) < 600


def _order_for(script: str) -> dict[str, Any]:
    from jupyter_gpu_bridge.providers.vast import _order

    return _order(CreatePlan(OFFER, "gpu-bridge-x", "ssh-ed25519 AAAA", script, timedelta(hours=1)), "")
