"""A rental is only ever looked for, and ended, with a key of the account that has it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jupyter_gpu_bridge.errors import BadRequest, KeyRefused
from jupyter_gpu_bridge.keys import KeyPlace
from jupyter_gpu_bridge.model import AttemptId, Money, Offer, Rental, RentalState, WishId
from jupyter_gpu_bridge.providers import clouds as clouds_module
from jupyter_gpu_bridge.providers.clouds import Clouds, clouds_set_up
from tests.rentals.renting.in_memory import PRICE, START, MemoryCloud, Timeline

pytestmark = pytest.mark.anyio


def _rental(account: str) -> Rental:
    return Rental(
        AttemptId("a" * 32),
        WishId("b" * 32),
        RentalState.IN_USE,
        "memory",
        account,
        Offer("memory", "offer", "A100", 1, 81920, PRICE),
        "gpu-bridge-abcdefgh-aaaaaaaaaaaa",
        PRICE,
        None,
        Money.parse("5"),
        Money(),
        START + timedelta(hours=1),
        START,
    )


async def test_a_key_of_another_account_is_refused_and_read_anew_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[MemoryCloud] = []

    def maker(name: str) -> Any:
        def make() -> MemoryCloud:
            made.append(MemoryCloud(Timeline()))
            return made[-1]

        return make

    monkeypatch.setattr(clouds_module, "_maker", maker)
    clouds = Clouds()
    with pytest.raises(KeyRefused, match=r"another account .* \$1.20 per hour until it is ended"):
        await clouds.of(_rental("somebody-else"))
    assert await clouds.of(_rental("memory-account")) is made[1]
    await clouds.close()


async def test_a_cloud_that_takes_a_key_is_set_up_once_there_is_one(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Acme(MemoryCloud):
        key = KeyPlace("acme", ("ACME_API_KEY",), "Make one.")

    monkeypatch.setattr(clouds_module, "cloud_names", lambda: ["acme"])
    monkeypatch.setattr(clouds_module, "_maker", lambda name: Acme)
    assert clouds_set_up() == []
    monkeypatch.setenv("ACME_API_KEY", "a-key")
    assert clouds_set_up() == ["acme"]
    monkeypatch.setenv("ACME_API_KEY", "no key")
    assert clouds_set_up() == ["acme"], "machines may be there, and whoever asks for them is told what is wrong"


async def test_a_provider_that_is_not_there_is_named() -> None:
    with pytest.raises(BadRequest, match="Did you mean 'sandbox'"):
        Clouds().get("sandbx")
