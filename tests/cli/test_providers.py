from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from jupyter_gpu_bridge.cli.arguments import parser
from jupyter_gpu_bridge.model import (
    BreakerHealth,
    BreakerState,
    CacheHealth,
    Health,
    LimiterHealth,
    ProviderHealth,
    ProviderState,
)
from tests.bridges import ScriptedBridge
from tests.cli.calls import Call

WELL = ProviderHealth(
    provider="acme",
    state=ProviderState.HEALTHY,
    why="",
    calls=12,
    success_rate=1.0,
    median=timedelta(seconds=0.25),
    p95=timedelta(seconds=1),
    breakers=[BreakerHealth("read", BreakerState.CLOSED, 0, 0)],
    limiter=LimiterHealth(per_second=5.0, capacity=5.0, available=4.0, blocked=0),
    cache=CacheHealth(entries=1, hits=3, misses=1, ttl=timedelta(seconds=45)),
)
ILL = ProviderHealth(
    provider="other",
    state=ProviderState.UNAVAILABLE,
    why="It has not answered within 10 s.",
    calls=0,
    success_rate=None,
    median=None,
    p95=None,
    breakers=[
        BreakerHealth("read", BreakerState.OPEN, 5, 1, timedelta(seconds=3), timedelta(seconds=57)),
        BreakerHealth("once", BreakerState.HALF_OPEN, 5, 2, timedelta(seconds=70), timedelta(0)),
    ],
    limiter=None,
    cache=CacheHealth(entries=0, hits=0, misses=0, ttl=timedelta(seconds=10)),
)


def test_each_provider_has_a_row_and_a_reason_where_something_is_wrong(bridge: ScriptedBridge, call: Call) -> None:
    bridge.well = Health([WELL, ILL])
    answer = call("health")
    assert answer.status == 1
    rows = [line.split("  ") for line in answer.out.splitlines()]
    well, ill = ([cell.strip() for cell in row if cell.strip()] for row in rows[1:3])
    assert well == ["acme", "healthy", "100% of 12", "0.25 s", "1.00 s", "closed", "4 of 5", "for 45 s, 75% remembered"]
    assert ill == [
        "other", "unavailable", "-", "-", "-", "read open (57.00 s), once half-open", "-", "for 10 s",
    ]  # fmt: skip
    assert answer.out.splitlines()[3:] == [
        "other: It has not answered within 10 s.",
        "Of 2 providers: 1 healthy, 1 unavailable.",
    ]


def test_a_key_that_is_refused_does_not_contradict_that_the_provider_answers(
    bridge: ScriptedBridge, call: Call
) -> None:
    refused = replace(WELL, state=ProviderState.UNAVAILABLE, why="No such key.", key_trouble="its key is refused")
    bridge.well = Health([refused])
    titles, row, *_ = call("health").out.splitlines()
    assert "WENT WELL" not in titles
    assert titles.index("ANSWERED") == row.index("100% of 12")
    assert "  unavailable: its key is refused  " in row
    assert call("health", "--json").data["providers"][0]["key_trouble"] == "its key is refused"


def test_programs_are_told_all_figures(bridge: ScriptedBridge, call: Call) -> None:
    bridge.well = Health([WELL, ILL])
    told = call("health", "--json").data
    assert (told["ok"], [each["state"] for each in told["providers"]]) == (False, ["healthy", "unavailable"])
    well, ill = told["providers"]
    assert well["limiter"] == {
        "per_second": 5.0,
        "capacity": 5.0,
        "available": 4.0,
        "utilisation": 0.2,
        "blocked": 0,
        "paused_seconds": None,
    }
    assert well["cache"] == {"entries": 1, "hits": 3, "misses": 1, "ratio": 0.75, "ttl_seconds": 45.0}
    assert well["response_seconds"] == {"median": 0.25, "p95": 1.0}
    assert ill["breakers"][0] == {
        "operation": "read",
        "state": "open",
        "failures": 5,
        "trips": 1,
        "last_failure_seconds_ago": 3.0,
        "tries_in_seconds": 57.0,
    }


def test_all_well_is_status_0_and_so_is_nobody(bridge: ScriptedBridge, call: Call) -> None:
    bridge.well = Health([WELL])
    assert call("health").status == 0
    bridge.well = Health([])
    answer = call("health")
    assert (answer.status, answer.out) == (0, "No provider is set up.\n")


@pytest.mark.parametrize(
    ("words", "done"),
    [
        (["--reset", "acme"], ["reset acme"]),
        (["--invalidate"], ["forget "]),
        (["--invalidate", "acme", "--reset", "other"], ["reset other", "forget acme"]),
        ([], []),
    ],
)
def test_a_provider_is_reset_and_its_offers_forgotten_before_it_is_asked(
    words: list[str], done: list[str], bridge: ScriptedBridge, call: Call
) -> None:
    bridge.well = Health([WELL])
    assert call("health", *words).status == 0
    assert bridge.done == [*done, "health"]


def test_help_names_it() -> None:
    assert "health" in parser().format_help()
