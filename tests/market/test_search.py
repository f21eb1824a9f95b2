"""Which offers meet an order, by what its user calls a GPU."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from jupyter_gpu_bridge.errors import NothingFits
from jupyter_gpu_bridge.market.conditions import lacks
from jupyter_gpu_bridge.market.intent import completed
from jupyter_gpu_bridge.market.search import search
from jupyter_gpu_bridge.model import Need, Offer
from jupyter_gpu_bridge.providers import clouds as clouds_module
from jupyter_gpu_bridge.providers.clouds import Clouds
from tests.rentals.renting.in_memory import PRICE, MemoryCloud, Timeline

pytestmark = pytest.mark.anyio

OFFERED = ("H100 SXM", "H100 PCIe", "H100 80GB", "H100", "RTX 4090", "RTX 4090 D", "Rubin X1", "RTX 4080 SUPER")


class Shelf(MemoryCloud):
    """It notes what it was asked for."""

    asked: Need | None = None
    offered: Sequence[Offer] | None = None

    async def offers(self, need: Need) -> Sequence[Offer]:
        self.asked = need
        if self.offered is not None:
            return self.offered
        return [Offer(self.name, str(number), gpu, 1, 81_920, PRICE) for number, gpu in enumerate(OFFERED)]


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    made = Shelf(Timeline())
    monkeypatch.setattr(clouds_module, "_maker", lambda name: lambda: made)
    return made


async def _found(*gpus: str) -> list[str]:
    clouds = Clouds()
    offers = (await search(Need(gpus=gpus, providers=("memory",)), clouds)).offers
    await clouds.close()
    return [offer.gpu for offer in offers]


async def test_a_family_is_each_of_its_variants_and_a_short_name_its_model(shelf: Shelf) -> None:
    assert await _found("h100") == ["H100 SXM", "H100 PCIe", "H100 80GB", "H100"]
    assert await _found("4090", "NVIDIA RTX 4080S") == ["RTX 4090", "RTX 4080 SUPER"]
    assert await _found("H100-SXM") == ["H100 SXM"]
    assert await _found("rubin x1") == ["Rubin X1"]


async def test_a_provider_is_told_the_names_that_offers_carry(shelf: Shelf) -> None:
    await _found("4090")
    assert shelf.asked is not None
    assert (shelf.asked.gpus, shelf.asked.gpu_titles) == (("4090",), ("RTX 4090",))


async def test_a_name_that_nobody_has_is_answered_with_those_near_it(shelf: Shelf) -> None:
    with pytest.raises(NothingFits, match=r"GPU RTX 4900 excludes 8\.") as refused:
        await _found("RTX 4900")
    assert "'RTX 4900' is no GPU that is known; did you mean RTX 4090 or" in str(refused.value)
    with pytest.raises(NothingFits) as known:
        await _found("B200")
    assert "did you mean" not in str(known.value)


@pytest.mark.parametrize("need", [Need(only_spot=True), Need(offers=("memory:1",))])
async def test_who_wants_spot_alone_or_names_an_offer_has_spot_asked_for(shelf: Shelf, need: Need) -> None:
    clouds = Clouds()
    with contextlib.suppress(NothingFits):
        await search(replace(need, providers=("memory",)), clouds)
    await clouds.close()
    assert shelf.asked is not None
    assert shelf.asked.allows_spot


def _fits(need: Need, **offer: Any) -> bool:
    said: dict[str, Any] = {"gpu": "H100 SXM", "gpu_count": 1, "gpu_memory_mib": 81_920, "price": PRICE, **offer}
    return not lacks(completed(need), Offer("vast", "1", **said))


def test_a_region_is_also_what_begins_with_it() -> None:
    for region in ("US", "us-east-1", "US-KS-2", "US, Kansas"):
        assert _fits(Need(regions=("us",)), region=region)
    for region in ("", "RUS", "AUS-1", "EU-US"):
        assert not _fits(Need(regions=("us",)), region=region)
    assert not _fits(Need(regions=("us-east-1",)), region="us-east-2")


def test_an_arm_host_is_for_those_who_name_its_gpu() -> None:
    assert not _fits(Need(gpu_memory_mib=1024), gpu="GH200 96GB")
    assert _fits(Need(gpus=("GH200",)), gpu="GH200 96GB")
    assert _fits(Need(offers=("vast:1",)), gpu="GH200 96GB")


def test_a_spot_offer_that_is_named_is_taken_as_it_is() -> None:
    assert _fits(Need(offers=("vast:1",)), is_spot=True)
    assert not _fits(Need(), is_spot=True)


class Told(str):
    """A GPU's name that notes in which thread somebody reads it."""

    readers: ClassVar[set[int]] = set()

    def casefold(self) -> str:
        self.readers.add(threading.get_ident())
        return super().casefold()


@pytest.mark.parametrize("gpu", ["RTX 4090", "RTX 5090"])
async def test_a_great_many_offers_are_judged_out_of_the_event_loops_way(shelf: Shelf, gpu: str) -> None:
    """Whether some of them fit or none does."""
    shelf.offered = [Offer(shelf.name, str(number), Told("RTX 4090"), 1, 24_564, PRICE) for number in range(3000)]
    Told.readers.clear()
    with contextlib.suppress(NothingFits):
        assert len(await _found(gpu)) == 3000
        assert gpu == "RTX 4090"
    assert Told.readers
    assert threading.get_ident() not in Told.readers
