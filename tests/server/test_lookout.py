"""What a starting server finds of rented machines, it says in its log."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_gpu_bridge.errors import LedgerBroken
from jupyter_gpu_bridge.server import lookout


class Found:
    """A bridge on which a look has one outcome."""

    def __init__(self, outcome: Any) -> None:
        self._outcome = outcome

    async def guard_if_needed(self) -> Any:
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookout, "AFTER_S", 0.0)


async def _log(outcome: Any, caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    bridge: Any = Found(outcome)
    with caplog.at_level(logging.INFO):
        await lookout.look_once(lambda: bridge, logging.getLogger("server"))
    return [(record.levelno, record.getMessage()) for record in caplog.records]


async def test_where_nothing_is_rented_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    assert await _log(None, caplog) == []
    assert await _log(SimpleNamespace(watched=[], orphans=[], troubles=[]), caplog) == []


async def test_orphans_and_troubles_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    orphan = SimpleNamespace(text="gpu-bridge-a-b runs at vast without an owner")
    found = SimpleNamespace(watched=["one"], orphans=[orphan], troubles=["lambda could not be asked."])
    assert await _log(found, caplog) == [
        (logging.INFO, "Rentals that are looked after: 1."),
        (logging.WARNING, "gpu-bridge-a-b runs at vast without an owner. See: jupyter gpu ls"),
        (logging.WARNING, "lambda could not be asked. See: jupyter gpu ls"),
    ]


async def test_a_look_that_fails_is_said_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    ((level, text),) = await _log(LedgerBroken("The ledger cannot be read."), caplog)
    assert level == logging.WARNING
    assert "The ledger cannot be read." in text
