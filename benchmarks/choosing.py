"""Choosing what to rent among fifty thousand offers: for how long the event loop does nothing else meanwhile."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from benchmarks.report import line, percentile, spread_ms
from benchmarks.search import offers
from jupyter_gpu_bridge.model import Need, Offer, Order, Ranking
from jupyter_gpu_bridge.providers import clouds as clouds_module
from jupyter_gpu_bridge.rentals.orders import Orders
from tests.own_home import variables
from tests.rentals.renting.in_memory import MemoryCloud, Timeline

BAR = "50,000 offers, the best to rent: the event loop is never busy with them for more than 50 ms at a time"
_MS = 50.0
_EVERY = 0.001
_ORDER = Order(need=Need(providers=("memory",), reliability=Decimal("0.95"), cuda="12.4"), ranking=Ranking.VALUE)


class _Market(MemoryCloud):
    shown: Sequence[Offer] = ()

    async def offers(self, need: Need) -> Sequence[Offer]:
        return self.shown


@dataclass(slots=True)
class _Blocks:
    """The longest times in which nothing else could be done, in seconds."""

    whole: float = 0.0
    own: float = 0.0
    """Of the event loop's own thread on a processor: the same however busy the computer is."""

    async def watch(self) -> None:
        while True:
            began, worked = time.perf_counter(), time.thread_time()
            await asyncio.sleep(_EVERY)
            self.whole = max(self.whole, time.perf_counter() - began - _EVERY)
            self.own = max(self.own, time.thread_time() - worked)


async def _watched(work: Coroutine[Any, Any, object]) -> tuple[_Blocks, float]:
    """And how long it took."""
    blocks = _Blocks()
    watching = asyncio.ensure_future(blocks.watch())
    await asyncio.sleep(0.01)
    began = time.perf_counter()
    await work
    took = time.perf_counter() - began
    await asyncio.sleep(0.01)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    return blocks, took


async def _measure(rounds: int) -> tuple[list[_Blocks], list[float], _Blocks]:
    """Of each round, how long it took, and the same of a loop that does nothing."""
    await Orders().quote(_ORDER)  # which loads modules
    found = [await _watched(Orders().quote(_ORDER)) for _ in range(rounds)]
    idle, _ = await _watched(asyncio.sleep(sum(took for _, took in found) / rounds))
    return [blocks for blocks, _ in found], [took for _, took in found], idle


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.choosing", description=BAR)
    parser.add_argument("--offers", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    market = _Market(Timeline())
    market.shown = [replace(each, provider=market.name) for each in offers(options.offers, random.Random(7))]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for name, value in variables(Path(folder)).items():
            patch.setenv(name, value)
        patch.setattr(clouds_module, "_maker", lambda name: lambda: market)
        blocks, took, idle = asyncio.run(_measure(options.rounds))
    whole = [each.whole for each in blocks]
    figures = {
        **spread_ms(whole),
        "own_p95_ms": round(percentile([each.own for each in blocks], 95) * 1000, 1),
        "idle_ms": round(idle.whole * 1000, 1),
        "took_s": round(sum(took) / len(took), 3),
    }
    holds = percentile(whole, 95) * 1000 <= _MS
    print(json.dumps(line("choosing", BAR, {"market": figures}, {"market": holds})))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
