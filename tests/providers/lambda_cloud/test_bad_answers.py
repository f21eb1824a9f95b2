"""What the adapter makes of answers that no cloud should give; and what it sends."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from jupyter_gpu_bridge.errors import NoCapacity, Unclear
from jupyter_gpu_bridge.gpus import unknown_names
from jupyter_gpu_bridge.machine.lease import HostKey, LeasePlan, start_script
from jupyter_gpu_bridge.model import CreatePlan, Money, Need, Offer, Ref, SeenState
from jupyter_gpu_bridge.providers.lambda_cloud import LambdaCloud
from jupyter_gpu_bridge.providers.user_data import user_data
from jupyter_gpu_bridge.sandbox.http import Answer, Request
from tests.providers.scripted import Scripted, scripted
from tests.sshd import make_key, public_half

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

KEY = "secret_mine_0123456789abcdef.xyz"
HTML = Answer(200, raw=b"<html>It works!</html>")
CUT = Answer(200, raw=b'{"data": [{"id": "0920')
TYPE = {
    "name": "gpu_1x_a10",
    "description": "1x A10 (24 GB PCIe)",
    "gpu_description": "A10 (24 GB PCIe)",
    "price_cents_per_hour": 129,
    "specs": {"vcpus": 30, "memory_gib": 200, "storage_gib": 1400, "gpus": 1},
}
MACHINE = {
    "id": "0920582c7ff041399e34823a0be62549",
    "name": "gpu-bridge-x",
    "status": "active",
    "ip": "198.51.100.2",
    "ssh_key_names": ["gpu-bridge-x-1764240000"],
    "file_system_names": [],
    "region": {"name": "us-east-1", "description": "Virginia, USA"},
    "instance_type": TYPE,
    "actions": {},
    "never_heard_of": {"so": "what"},
}
OFFER = Offer("lambda", "gpu_1x_a10@us-east-1", "A10", 1, 24 << 10, Money(1_290_000), "us-east-1")
PLAN = CreatePlan(OFFER, "gpu-bridge-x", "ssh-ed25519 AAAA", "#!/bin/sh\necho 'it'\n", timedelta(hours=8))


def sold(**change: Any) -> Answer:
    """The price list with one line."""
    line = {"instance_type": {**TYPE, **change}, "regions_with_capacity_available": [{"name": "us-east-1"}]}
    return Answer(200, {"data": {"gpu_1x_a10": line}})


@asynccontextmanager
async def asked(*replies: Answer) -> AsyncIterator[tuple[LambdaCloud, Scripted]]:
    async with scripted(*replies) as script:
        adapter = LambdaCloud(key=KEY, address=script.address + "/")
        try:
            yield adapter, script
        finally:
            await adapter.close()


async def test_a_launch_says_all_that_there_is_to_say() -> None:
    ids = Answer(200, {"data": {"instance_ids": [MACHINE["id"]]}})
    async with asked(sold(), Answer(200, {"data": {}}), ids) as (adapter, script):
        assert (await adapter.create(PLAN)).ref == MACHINE["id"]
        look, key, launch = script.heard
    assert (look.method, look.path) == ("GET", "/api/v1/instance-types")
    assert (key.method, key.path, key.body["public_key"]) == ("POST", "/api/v1/ssh-keys", "ssh-ed25519 AAAA")
    assert key.body["name"].startswith("gpu-bridge-x-")
    assert len(key.body["name"]) <= 64
    assert launch.path == "/api/v1/instance-operations/launch"
    assert launch.body == {
        "region_name": "us-east-1",
        "instance_type_name": "gpu_1x_a10",
        "ssh_key_names": [key.body["name"]],
        "name": "gpu-bridge-x",
        "user_data": user_data(PLAN.start_script, "ubuntu"),
    }
    assert launch.token == KEY
    assert launch.headers["user-agent"] == "jupyter-gpu-bridge"


@pytest.mark.parametrize(
    "images", [HTML, Answer(404, {"error": {"code": "global/not-found"}}), Answer(200, {"data": [7]})]
)
async def test_where_nobody_says_which_images_there_are_the_launch_tells(images: Answer) -> None:
    ids = Answer(200, {"data": {"instance_ids": [MACHINE["id"]]}})
    async with asked(sold(), images, Answer(200, {"data": {}}), ids) as (adapter, script):
        assert (await adapter.create(replace(PLAN, image="of-tomorrow"))).ref == MACHINE["id"]
        assert script.heard[1].path == "/api/v1/images"
        assert script.heard[-1].body["image"] == {"family": "of-tomorrow"}


@pytest.mark.parametrize("answer", [HTML, CUT, Answer(200, None), Answer(200, []), Answer(200, {"data": None})])
async def test_an_answer_that_is_none_is_unclear_and_never_an_empty_one(answer: Answer) -> None:
    async with asked(answer) as (adapter, _):
        for call in (adapter.list(), adapter.offers(Need()), adapter.get(Ref("0" * 32))):
            with pytest.raises(Unclear):
                await call
        with pytest.raises(NoCapacity, match="No machine was asked for"):
            await adapter.create(PLAN)


@pytest.mark.parametrize(
    "data",
    [None, {}, {"instance_ids": None}, {"instance_ids": []}, {"instance_ids": [7]}, {"instance_ids": ["a", "b"]}],
)
async def test_a_launch_that_names_no_machine_is_unclear(data: object) -> None:
    async with asked(sold(), Answer(200, {"data": {}}), Answer(200, {"data": data})) as (adapter, script):
        with pytest.raises(Unclear):
            await adapter.create(PLAN)
        assert len(script.heard) == 3


async def test_a_no_without_a_code_is_unclear() -> None:
    page = Answer(400, raw=b"<html>Bad gateway</html>")
    async with asked(sold(), Answer(200, {"data": {}}), page) as (adapter, _):
        with pytest.raises(Unclear):
            await adapter.create(PLAN)


@pytest.mark.parametrize("missing", ["id", "status"])
async def test_a_listing_with_a_hole_is_unclear_and_never_a_shorter_one(missing: str) -> None:
    holed = {name: value for name, value in MACHINE.items() if name != missing}
    async with asked(Answer(200, {"data": [MACHINE, holed]})) as (adapter, _):
        with pytest.raises(Unclear):
            await adapter.list()


async def test_machines_of_others_may_have_any_hole() -> None:
    async with asked(Answer(200, {"data": [MACHINE, {"name": "theirs"}, {"name": None}, {}]})) as (adapter, _):
        assert [each.ref for each in await adapter.list()] == [MACHINE["id"]]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("booting", SeenState.BOOTING),
        ("active", SeenState.RUNNING),
        ("unhealthy", SeenState.FAILED),
        ("terminating", SeenState.ENDING),
        ("melting", SeenState.BOOTING),
        ("terminated", None),
        ("preempted", None),
    ],
)
async def test_every_status_has_a_meaning(status: str, state: SeenState | None) -> None:
    machine = {**MACHINE, "status": status}
    async with asked(Answer(200, {"data": machine}), Answer(200, {"data": [machine]})) as (adapter, _):
        seen = await adapter.get(Ref("x"))
        assert (seen and seen.state) == state
        assert [each.state for each in await adapter.list()] == ([] if state is None else [state])


@pytest.mark.parametrize(
    ("ip", "place"),
    [
        ("198.51.100.2", ("198.51.100.2", 22)),
        ("127.0.0.1:40123", ("127.0.0.1", 40123)),
        ("2001:db8::2", ("2001:db8::2", 22)),
        (None, ("", 22)),
    ],
)
async def test_a_port_may_stand_behind_the_address(ip: str | None, place: tuple[str, int]) -> None:
    async with asked(Answer(200, {"data": {**MACHINE, "ip": ip}})) as (adapter, _):
        seen = await adapter.get(Ref("x"))
        assert seen is not None
        assert (seen.address, seen.port) == place


@pytest.mark.parametrize("price", [0, -129, None, "free", True, [], "NaN"])
async def test_a_price_that_is_none_is_no_offer(price: object) -> None:
    async with asked(sold(price_cents_per_hour=price)) as (adapter, _):
        with pytest.raises(Unclear):
            await adapter.offers(Need())


@pytest.mark.parametrize(("price", "micros"), [(129, 1_290_000), ("129", 1_290_000), (1, 10_000), (12.5, 125_000)])
async def test_cents_are_read_exactly(price: object, micros: int) -> None:
    async with asked(sold(price_cents_per_hour=price)) as (adapter, _):
        (offer,) = await adapter.offers(Need())
        assert offer.price == Money(micros)


@pytest.mark.parametrize("kind", [None, [], {}, {"price_cents_per_hour": 0}, {"price_cents_per_hour": "much"}])
async def test_a_machine_is_there_whatever_is_said_of_its_price(kind: object) -> None:
    async with asked(Answer(200, {"data": [{**MACHINE, "instance_type": kind}]})) as (adapter, _):
        (seen,) = await adapter.list()
        assert (seen.ref, seen.price, seen.is_billed) == (MACHINE["id"], None, True)


async def test_one_line_that_makes_no_sense_does_not_take_away_the_others() -> None:
    good = sold().content
    assert isinstance(good, dict)
    lines = {"bad": None, "worse": {"instance_type": {}}, **good["data"]}
    async with asked(Answer(200, {"data": lines})) as (adapter, _):
        assert [each.offer_id for each in await adapter.offers(Need())] == ["gpu_1x_a10@us-east-1"]


@pytest.mark.parametrize("name", ["gpu_1x_h100_sxm5gdr", "gpu_1x_newest"])
async def test_what_is_described_tells_how_a_gpu_is_built_in_and_nothing_is_unknown(name: str) -> None:
    unknown_names.forget()
    async with asked(sold(name=name, gpu_description="H100 (80 GB SXM5)")) as (adapter, _):
        (offer,) = await adapter.offers(Need())
        assert (offer.gpu, offer.gpu_memory_mib) == ("H100 SXM", 80 << 10)
    assert unknown_names.counts() == {}


@pytest.mark.parametrize(
    ("sold_as", "model", "mib"),
    [
        ("A10 (24 GB PCIe)", "A10", 24 << 10),
        ("Tesla V100 (16 GB)", "V100 16GB", 16 << 10),
        ("RTX 6000 (24 GB)", "Quadro RTX 6000", 24 << 10),
        ("GH200 (96 GB)", "GH200 96GB", 96 << 10),
        ("8x A100 (80 GB SXM4)", "A100 80GB SXM", 80 << 10),
        ("B300", "B300", 288 << 10),
        ("Riva 128 (1 GB)", "Riva 128", 1 << 10),
    ],
)
async def test_a_gpu_of_an_unknown_type_is_the_one_that_is_described(sold_as: str, model: str, mib: int) -> None:
    async with asked(sold(name="gpu_1x_new", gpu_description=sold_as)) as (adapter, _):
        (offer,) = await adapter.offers(Need())
        assert (offer.gpu, offer.gpu_memory_mib, offer.sold_as) == (model, mib, sold_as)


async def test_a_destroy_that_is_done_is_done_whatever_is_said_of_it() -> None:
    answers: tuple[object, ...] = (None, {"terminated_instances": None}, {"terminated_instances": [{}]})
    for said in answers:
        async with asked(Answer(200, {"data": said}), Answer(500)) as (adapter, script):
            await adapter.destroy(Ref("x"))
            assert script.heard[0].body == {"instance_ids": ["x"]}


async def test_an_id_cannot_lead_anywhere_else() -> None:
    async with asked(Answer(200, {"data": MACHINE})) as (adapter, script):
        await adapter.get(Ref("../ssh-keys?x=1"))
        assert script.heard[0].path == "/api/v1/instances/../ssh-keys?x=1"  # one name, as it was sent


def test_the_largest_start_script_is_far_below_what_a_launch_takes(tmp_path: Any) -> None:
    key = make_key(tmp_path / "key")
    plan = LeasePlan(
        "gpu-bridge-0123abcd-0123456789ab",
        timedelta(minutes=20),
        timedelta(hours=24),
        host_key=HostKey(key.read_text(), public_half(key)),
    )
    text = user_data(start_script(plan), "ubuntu")
    assert text.startswith("#!/bin/sh\n")  # else cloud-init would not run it
    assert 20_000 < len(text.encode()) < 25_000  # of 1 MiB
    assert 6_000 < len(gzip.compress(text.encode())) < 8_000  # what is packed nowhere here


def _echo(request: Request) -> Answer:
    return Answer(401, {"error": {"code": "global/invalid-api-key", "message": f"Not {request.token}"}})


async def test_no_error_repeats_the_key() -> None:
    async with scripted(_echo) as script:
        adapter = LambdaCloud(key=KEY, address=script.address)
        with pytest.raises(Exception, match="hidden") as caught:
            await adapter.list()
        await adapter.close()
    assert KEY not in str(caught.value)
