"""A thousand rentals, of which some live: how long `ls` takes, how often a cloud is asked, what idling costs."""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import psutil

from benchmarks.report import Figures, line, median
from jupyter_gpu_bridge.model import RentalState
from jupyter_gpu_bridge.rentals.ledger import Ledger
from tests.rentals.ledger.scene import OFFER, Scene
from tests.rentals.renting.world import Renting, renting, until

BAR = (
    "1,000 rentals in the ledger, 50 live: ls <= 0.3 s; a comparison makes one list call per account; "
    "wardens idle at <= 0.5 % CPU each"
)
_LS, _IDLE = 0.3, 0.5
_PAST = replace(OFFER, provider="sandbox", is_pretend=True)
_AT_ONCE = 4
"""Started together: more would only wait for each other."""


def _fill(ended: int) -> None:
    """With rentals that are over, as they are after months."""
    now = datetime.now(timezone.utc)
    with Ledger.open() as ledger:
        scene = Scene(ledger)
        for number in range(ended):
            asked = now - timedelta(days=1, minutes=number)
            intended = scene.intend(scene.wish(f"name:past{number}", asked), offer=_PAST, now=asked)
            rental = scene.bring(intended, RentalState.IN_USE, asked)
            ledger.close_wish(rental.wish_id, "It was stopped.", now)
            for state in (RentalState.RELEASING, RentalState.GONE):
                ledger.advance(rental.attempt_id, state, now=now)


async def _rent(world: Renting, live: int) -> None:
    for first in range(0, live, _AT_ONCE):
        await asyncio.gather(
            *(world.rent(key=f"name:now{number}") for number in range(first, min(live, first + _AT_ONCE)))
        )


def _listed(rounds: int) -> Figures:
    """The whole command, as a user waits for it; the interpreter alone, and with SQLAlchemy, for comparison."""

    def seconds(*command: str) -> list[float]:
        return [_timed([sys.executable, *command]) for _ in range(rounds)]

    return {
        "ls_s": round(median(seconds("-m", "jupyter_gpu_bridge.cli", "ls")), 3),
        "ls_all_s": round(median(seconds("-m", "jupyter_gpu_bridge.cli", "ls", "--all")), 3),
        "python_s": round(median(seconds("-c", "pass")), 3),
        "sqlalchemy_s": round(median(seconds("-c", "import sqlalchemy")), 3),
    }


def _timed(command: Sequence[str]) -> float:
    began = time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - began


async def _asked(world: Renting) -> int:
    """List calls of one look at everything; the wardens compare now and then as well, one for all."""
    before = _lists(world)
    await world.bridge.guard()
    return _lists(world) - before


def _lists(world: Renting) -> int:
    return sum(each["verb"] == "list" for each in world.cloud.log())


def _idling(wardens: Sequence[psutil.Process], seconds: float) -> Figures:
    before = [_spent(process) for process in wardens]
    began = time.monotonic()
    time.sleep(seconds)
    lasted = time.monotonic() - began
    percents = [(_spent(process) - spent) / lasted * 100 for process, spent in zip(wardens, before, strict=True)]
    memory = max(process.memory_info().rss for process in wardens)
    return {
        "idle_median_percent": round(median(percents), 2),
        "idle_largest_percent": round(max(percents), 2),
        "memory_largest_mb": round(memory / 1e6),
    }


def _spent(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _measure(world: Renting, options: argparse.Namespace) -> Figures:
    _fill(options.rentals - options.live)
    asyncio.run(_rent(world, options.live))
    asyncio.run(until(lambda: len(world.wardens()) == options.live))
    time.sleep(options.settle)  # until what comes with a start is over
    idling = _idling(world.wardens(), options.seconds)
    return {
        "rentals": options.rentals,
        "live": len(world.billed()),
        **_listed(options.rounds),
        "lists": asyncio.run(_asked(world)),
        **idling,
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_rentals", description=BAR)
    parser.add_argument("--rentals", type=int, default=1000)
    parser.add_argument("--live", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=9, help="of `ls`")
    parser.add_argument("--seconds", type=float, default=60.0, help="for which idling is measured")
    parser.add_argument("--settle", type=float, default=20.0)
    options = parser.parse_args()
    with renting(rate=1, stock=options.live) as world:
        figures = _measure(world, options)
    holds = figures["ls_s"] <= _LS and figures["lists"] == 1 and figures["idle_median_percent"] <= _IDLE
    print(json.dumps(line("many_rentals", BAR, {"sandbox": figures}, {"sandbox": holds})), flush=True)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
