"""What RunPod sells: prices of one GPU made into prices of offers, stock as a hint, and data centres as regions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jupyter_gpu_bridge.errors import KeyBad, Unclear
from jupyter_gpu_bridge.market.browse import whole
from jupyter_gpu_bridge.model import Money, Need, Offer
from jupyter_gpu_bridge.model.query import Query
from jupyter_gpu_bridge.providers.runpod import RunPod
from jupyter_gpu_bridge.sandbox.http import Answer, Request
from tests.clouds.cloud import SimulatedCloud
from tests.providers.runpod.ordering import account
from tests.providers.scripted import Reply, scripted

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

GPU: dict[str, Any] = {
    "id": "NVIDIA GeForce RTX 4090",
    "name": "RTX 4090",
    "memory": 24,
    "secure": True,
    "community": True,
    "price": {"secure": 0.44, "community": 0.31, "serverless": 1.1},
    "maxCount": {"secure": 8, "community": 4},
    "availability": "HIGH",
    "dataCenters": [{"id": "US-KS-2", "availability": "HIGH"}, {"id": "EU-RO-1", "availability": "NONE"}],
    "cudaVersions": [{"version": "12.10", "available": True}, {"version": "12.9", "available": True}],
}
DISK = Money.parse("0.002740")
"""Per hour, for 20 GB."""


async def _offers(gpu: object, need: Need | None = None) -> list[Offer]:
    """Of a secure cloud that sells this and nothing else."""
    return await _offers_of(gpu, need=need)


async def _offers_of(*gpus: object, need: Need | None = None) -> list[Offer]:
    def answer(request: Request) -> Answer:
        return Answer(200, {"gpus": list(gpus) if request.query["cloud"] == "SECURE" else []})

    return await _answered(answer, need)


async def _answered(answer: Reply, need: Need | None = None) -> list[Offer]:
    async with scripted(answer) as script:
        provider = RunPod(key="k", address=script.address)
        try:
            return [replace(each, seen=None) for each in await provider.offers(need or Need())]
        finally:
            await provider.close()


async def test_a_price_is_for_all_gpus_and_the_disk(cloud: SimulatedCloud) -> None:
    async with account(cloud) as provider:
        offers = await provider.offers(Need())
        price = {(each.sold_as, each.tier, each.gpu_count): each.price for each in offers}
        assert price["NVIDIA GeForce RTX 4090", "secure", 1] == Money.parse("0.69") + DISK
        assert price["NVIDIA GeForce RTX 4090", "secure", 8] == Money.parse("5.52") + DISK
        assert price["NVIDIA GeForce RTX 4090", "community", 4] == Money.parse("1.36") + DISK
        assert ("NVIDIA GeForce RTX 4090", "community", 8) not in price


async def test_an_offer_says_where_it_stands_and_how_much_there_is(cloud: SimulatedCloud) -> None:
    async with account(cloud) as provider:
        offers = [each for each in await provider.offers(Need(gpu_count=2)) if each.gpu_count == 2]
        found = {(each.sold_as, each.tier, each.region): each for each in offers}
        one = found["NVIDIA A100 80GB PCIe", "secure", "CA-MTL-1"]
        assert (one.stock, one.gpu, one.gpu_memory_mib, one.cuda) == ("medium", "A100 80GB PCIe", 81920, "12.8")
        assert found["NVIDIA A100 80GB PCIe", "community", "CA-MTL-1"].cuda == "12.6"
        assert found["AMD Instinct MI300X OAM", "secure", "EU-RO-1"].cuda == ""
        assert not any(gpu == "NVIDIA B200" for gpu, _, _ in found)  # there are none
        assert ("NVIDIA H100 80GB HBM3", "secure", "US-KS-2") not in found


async def test_an_offer_is_found_again_by_its_name_whatever_count_it_was_shown_for(cloud: SimulatedCloud) -> None:
    async with account(cloud) as provider:
        shown = {
            offer.name: offer.price for count in (1, 2, 4, 8) for offer in await provider.offers(Need(gpu_count=count))
        }
        assert len({name.split(":")[2] for name in shown}) == 4
        for name, price in shown.items():
            for count in (1, 2):
                found = [
                    each for each in await provider.offers(Need(gpu_count=count, offers=(name,))) if each.name == name
                ]
                assert [each.price for each in found] == [price], name


async def test_one_that_is_named_is_found_by_those_who_only_look_too(
    cloud: SimulatedCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", cloud.another_key())
    monkeypatch.setenv("RUNPOD_BASE_URL", str(cloud.api["address"]))
    name = "runpod:SECURE:2:CA-MTL-1:NVIDIA A100 80GB PCIe"
    for named in (name, name.casefold()):
        page = await whole(Query(Need(offers=(named,))), within=20)
        assert [row.offer.name for row in page.rows] == [name]


@pytest.mark.parametrize(
    "name", ["runpod:", "runpod:a:b", "runpod:SECURE:0::L4", "runpod:SECURE:x::L4", "vast:1:2:3:4"]
)
async def test_what_is_no_name_of_an_offer_changes_nothing(name: str) -> None:
    assert await _offers(GPU, Need(offers=(name,))) == await _offers(GPU)


async def test_what_our_image_does_not_run_on_is_said(cloud: SimulatedCloud) -> None:
    async with account(cloud) as provider:
        needs = {(each.sold_as, each.tier): each.needs_image for each in await provider.offers(Need())}
        assert needs["AMD Instinct MI300X OAM", "secure"]
        assert needs["NVIDIA A100 80GB PCIe", "community"]  # no driver there takes 12.8
        assert not needs["NVIDIA A100 80GB PCIe", "secure"]
    (first, *_) = await _offers({**GPU, "cudaVersions": []})
    assert not first.needs_image  # it is not known


async def test_a_larger_disk_is_paid_for(cloud: SimulatedCloud) -> None:
    async with account(cloud) as provider:
        offers = await provider.offers(Need(disk_gib=200))
        assert {each.disk_gib for each in offers} == {200}
        assert min(each.price for each in offers) == Money.parse("0.34") + Money.parse("0.027397")


async def test_prices_are_taken_exactly_from_the_text() -> None:
    offers = await _offers({**GPU, "price": {"secure": "0.4400001"}, "maxCount": {"secure": 1}})
    assert [each.price for each in offers] == [Money.parse("0.44") + DISK]


async def test_the_newest_version_is_not_the_one_that_is_last_in_the_alphabet() -> None:
    assert (await _offers(GPU))[0].cuda == "12.10"


@pytest.mark.parametrize(
    "change",
    [
        {"price": {}},
        {"price": {"secure": None}},
        {"price": {"secure": -0.44}},
        {"price": {"secure": 0}},
        {"secure": False},
        {"id": "unknown"},
        {"availability": "NONE"},
    ],
)
async def test_what_has_no_price_or_no_stock_is_no_offer(change: dict[str, Any]) -> None:
    assert await _offers({**GPU, **change}) == []


@pytest.mark.parametrize("missing", ["name", "memory", "maxCount", "availability", "dataCenters", "cudaVersions"])
async def test_what_is_not_said_of_a_gpu_does_no_harm(missing: str) -> None:
    for gpu in ({name: value for name, value in GPU.items() if name != missing}, {**GPU, missing: None}):
        (first, *_) = await _offers({**gpu, "of_tomorrow": [1]})
        assert (first.gpu, first.gpu_count, first.gpu_memory_mib) == ("RTX 4090", 1, 24576)


@pytest.mark.parametrize("gpu", [{}, None, "H100", {**GPU, "price": {"secure": "much"}}, {**GPU, "memory": "24"}])
async def test_what_makes_no_sense_is_unclear(gpu: object) -> None:
    with pytest.raises(Unclear):
        await _offers(gpu)


@pytest.mark.parametrize(
    "change",
    [
        {"price": None},
        {"price": {"secure": "n/a"}},
        {"memory": 23.5},
        {"memory": "24"},
        {"maxCount": {"secure": "8"}},
        {"secure": 1},
        {"cudaVersions": ["12.8"]},
        {"dataCenters": ["US-KS-2"]},
        {"id": None},
    ],
)
async def test_the_nonsense_of_one_gpu_costs_its_own_row(change: dict[str, Any]) -> None:
    """Also as a whole one that is no object, and wherever it stands in the list."""
    good, odd = {**GPU, "id": "NVIDIA L4"}, {**GPU, **change}
    for listed in ([odd, None, good], [good, "H100", odd]):
        assert {each.sold_as for each in await _offers_of(*listed)} == {"NVIDIA L4"}
    with pytest.raises(Unclear):
        await _offers_of(odd)


@pytest.mark.parametrize("silent", ["SECURE", "COMMUNITY"])
@pytest.mark.parametrize("trouble", [Answer(404, {"detail": "no such cloud"}), Answer(200, raw=b"<html>")])
async def test_a_cloud_that_does_not_answer_takes_nothing_from_the_other(silent: str, trouble: Answer) -> None:
    def answer(request: Request) -> Answer:
        return trouble if request.query["cloud"] == silent else Answer(200, {"gpus": [GPU]})

    assert {each.tier.upper() for each in await _answered(answer)} == {"SECURE", "COMMUNITY"} - {silent}
    with pytest.raises(Unclear):
        await _answered(trouble)


async def test_a_key_that_one_cloud_does_not_take_is_said() -> None:
    def answer(request: Request) -> Answer:
        return (
            Answer(401, {"detail": "who?"}) if request.query["cloud"] == "COMMUNITY" else Answer(200, {"gpus": [GPU]})
        )

    with pytest.raises(KeyBad):
        await _answered(answer)


async def test_two_requests_find_all_offers(cloud: SimulatedCloud) -> None:
    async with account(cloud) as provider:
        before = len(cloud.log())
        await provider.offers(Need(gpu_count=4))
        assert [each["path"] for each in cloud.log()[before:]] == ["/v2/catalog/gpus"] * 2
