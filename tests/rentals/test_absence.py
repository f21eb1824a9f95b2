"""A machine that is not there any more, and since when it cannot have been."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jupyter_gpu_bridge.model import Account, Order, PowerOff, Traits, WhenBusy
from jupyter_gpu_bridge.rentals.warden.absence import ended_alone
from tests.own_home import own_home
from tests.rentals.renting.in_memory import START, Process, Timeline
from tests.renting import RENTED, minutes

__all__ = ["own_home"]

NOW = minutes(600)


class Empty:
    """A cloud that has no machine."""

    name = "sandbox"

    def __init__(self, traits: Traits) -> None:
        self.traits = traits

    async def get(self, ref: Any) -> None:
        return None

    async def check(self) -> Account:
        return Account(RENTED.account)


@pytest.mark.parametrize(
    ("traits", "order", "at"),
    [
        (Traits("Far"), Order(), NOW),
        (Traits("Far", limits_at_create=True), Order(), minutes(120)),
        (Traits("Far", removal=(PowerOff(),)), Order(), minutes(120)),
        (Traits("Far", removal=(PowerOff(),)), Order(when_busy=WhenBusy.STOP), minutes(53)),
    ],
    ids=["nothing ends it", "its provider", "itself", "its lease"],
)
async def test_it_ended_at_its_first_limit_and_without_one_nobody_knows_when(
    own_home: Path, traits: Traits, order: Order, at: Any
) -> None:
    timeline = Timeline()
    timeline.elapsed = NOW - START
    ended = await ended_alone(RENTED, order, Empty(traits), Process(timeline))  # type: ignore[arg-type]
    assert ended is not None
    assert abs(ended.at - at) < timedelta(seconds=1)
