"""What a server finds of rented machines, when it starts and as long as it runs, it says in its log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_gpu_bridge.errors import LedgerBroken
from jupyter_gpu_bridge.server import lookout

NOTHING = SimpleNamespace(watched=[], orphans=[], troubles=[])
ONE = SimpleNamespace(watched=["one"], orphans=[], troubles=[])


class Found:
    """A bridge on which looks have these outcomes, one after the other."""

    def __init__(self, *outcomes: Any, rented: Sequence[str], may_return: bool) -> None:
        self.left = list(outcomes)
        self.is_done = asyncio.Event()
        """There is nothing to look after, or no outcome is left."""
        self._rented = rented
        self._may_return = may_return

    async def rentals_lately(self) -> Sequence[str]:
        if not self._rented and not self._may_return:
            self.is_done.set()
        return self._rented

    async def may_return(self) -> bool:
        return self._may_return

    async def guard_if_needed(self) -> Any:
        if not self.left:
            self.is_done.set()
            return None
        outcome = self.left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookout, "AFTER_S", 0.0)
    monkeypatch.setattr(lookout, "EVERY_S", 0.001)


async def _log(
    *outcomes: Any,
    caplog: pytest.LogCaptureFixture,
    rented: Sequence[str] = ("one",),
    may_return: bool = False,
) -> list[tuple[int, str]]:
    found = Found(*outcomes, rented=rented, may_return=may_return)
    bridge: Any = found
    with caplog.at_level(logging.INFO):
        looking = asyncio.create_task(lookout.look_after(lambda: bridge, logging.getLogger("server")))
        await asyncio.wait_for(found.is_done.wait(), 10)
        looking.cancel()
    assert not found.left
    return [(record.levelno, record.getMessage()) for record in caplog.records]


@pytest.mark.parametrize("outcome", [None, NOTHING])
async def test_where_nothing_is_rented_nothing_is_said(outcome: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert await _log(outcome, caplog=caplog, rented=()) == []


async def test_orphans_and_troubles_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    orphan = SimpleNamespace(text="gpu-bridge-a-b runs at vast without an owner")
    found = SimpleNamespace(watched=["one"], orphans=[orphan], troubles=["lambda could not be asked."])
    assert await _log(found, caplog=caplog) == [
        (logging.INFO, "Rentals that are looked after: 1."),
        (logging.WARNING, "gpu-bridge-a-b runs at vast without an owner. See: jupyter gpu ls"),
        (logging.WARNING, "lambda could not be asked. See: jupyter gpu ls"),
    ]


async def test_a_look_that_fails_is_said_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    (level, text), *later = await _log(LedgerBroken("The ledger cannot be read."), ONE, caplog=caplog)
    assert level == logging.WARNING
    assert "The ledger cannot be read." in text
    assert later == [(logging.INFO, "Rentals that are looked after: 1.")]


async def test_as_long_as_something_is_rented_it_looks_again_and_says_the_same_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    troubled = SimpleNamespace(watched=["one"], orphans=[], troubles=["lambda could not be asked."])
    assert await _log(ONE, ONE, troubled, troubled, caplog=caplog) == [
        (logging.INFO, "Rentals that are looked after: 1."),
        (logging.WARNING, "lambda could not be asked. See: jupyter gpu ls"),
    ]


async def test_where_a_provider_could_not_be_asked_it_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    troubled = SimpleNamespace(watched=[], orphans=[], troubles=["lambda could not be asked."])
    told = await _log(troubled, NOTHING, caplog=caplog, rented=())
    assert told == [(logging.WARNING, "lambda could not be asked. See: jupyter gpu ls")]


async def test_a_machine_that_may_come_back_is_looked_for_also_where_nothing_is_rented(
    caplog: pytest.LogCaptureFixture,
) -> None:
    returned = SimpleNamespace(
        watched=[], orphans=[SimpleNamespace(text="it was gone and is there again")], troubles=[]
    )
    told = await _log(NOTHING, NOTHING, returned, caplog=caplog, rented=(), may_return=True)
    assert told == [(logging.WARNING, "it was gone and is there again. See: jupyter gpu ls")]
