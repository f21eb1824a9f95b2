"""Everything that is offered, from clouds that answer and one that does not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.errors import BadRequest, NothingFits, Unclear
from jupyter_gpu_bridge.model import Need, Offer
from jupyter_gpu_bridge.providers import clouds as clouds_module
from tests.market.history.offered import offer
from tests.rentals.renting.in_memory import MemoryCloud, Timeline

pytestmark = pytest.mark.anyio


class Stall(MemoryCloud):
    async def offers(self, need: Need) -> Sequence[Offer]:
        if self.is_down:
            raise Unclear("It does not answer.")
        return [offer("2.00", provider=self.name), offer("0.50", provider=self.name, is_spot=True)]


@pytest.fixture
def stalls(monkeypatch: pytest.MonkeyPatch) -> dict[str, Stall]:
    made = {name: Stall(Timeline(), name) for name in ("vast", "runpod")}
    monkeypatch.setattr(clouds_module, "_maker", lambda name: lambda: made[name])
    monkeypatch.setattr("jupyter_gpu_bridge.market.sources.clouds_set_up", lambda: list(made))
    return made


async def test_it_is_of_all_that_are_set_up_with_what_may_be_taken_back(stalls: dict[str, Stall]) -> None:
    found = await Bridge().market_statistics()
    assert found.statistics.total is not None
    assert (found.statistics.total.offers, found.silent) == (4, [])
    assert [list(model.providers) for model in found.statistics.models] == [["runpod", "vast"]] * 2


async def test_one_that_does_not_answer_is_named_and_costs_its_own_rows_only(stalls: dict[str, Stall]) -> None:
    stalls["vast"].is_down = True
    found = await Bridge().market_statistics()
    assert [each.provider for each in found.statistics.providers] == ["runpod"]
    assert list(found.silent) == ["vast could not be asked: It does not answer"]


async def test_it_is_of_one_provider_where_one_is_named(stalls: dict[str, Stall]) -> None:
    found = await Bridge().market_statistics("runpod")
    assert [each.provider for each in found.statistics.providers] == ["runpod"]


async def test_nothing_offered_is_said_with_who_did_not_answer(stalls: dict[str, Stall]) -> None:
    for stall in stalls.values():
        stall.is_down = True
    with pytest.raises(NothingFits, match=r"Nothing is offered now\. vast could .*; runpod could "):
        await Bridge().market_statistics()


async def test_a_provider_that_nobody_knows_is_answered_with_those_there_are() -> None:
    with pytest.raises(BadRequest, match=r"There is no provider 'rumpod'\. Did you mean 'runpod'\?"):
        await Bridge().market_statistics("rumpod")
