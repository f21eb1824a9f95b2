"""Three providers, one that hangs and one that fails: how long after the quickest answer its rows are there."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from contextlib import aclosing
from pathlib import Path

import pytest

from benchmarks.report import line, percentile, spread_ms
from jupyter_gpu_bridge.market.browse import browse
from jupyter_gpu_bridge.model.query import Query
from jupyter_gpu_bridge.providers import gate, offers
from jupyter_gpu_bridge.sandbox.http import Answer, Request
from tests.market.shops import BROKEN, GOOD, NEED, shops
from tests.own_home import variables

BAR = "three providers, one hanging, one answering 500: first rows <= the fastest provider's time + 50 ms"
_MS = 50.0
_AFTER = 0.1
"""Seconds in which the quickest of them answers."""


async def _measure(patch: pytest.MonkeyPatch, rounds: int) -> list[float]:
    answered = 0.0
    late: list[float] = []

    def slow(request: Request) -> Answer:
        nonlocal answered
        time.sleep(_AFTER)
        answered = time.perf_counter()
        return GOOD

    async with shops(patch, good=GOOD, hangs=GOOD, broken=BROKEN) as scripts:
        scripts["good"].replies = [slow]
        scripts["hangs"].hold = asyncio.Event()
        for _ in range(rounds):
            offers.forget()
            gate.forget()
            async with aclosing(browse(Query(NEED))) as pages:
                async for page in pages:
                    if page.rows:
                        late.append(time.perf_counter() - answered)
                        break
        scripts["hangs"].hold.set()
    return late


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_rows", description=BAR)
    parser.add_argument("--rounds", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for name, value in variables(Path(folder)).items():
            patch.setenv(name, value)
        late = asyncio.run(_measure(patch, options.rounds))
    figures = spread_ms(late)
    holds = percentile(late, 95) * 1000 <= _MS
    print(json.dumps(line("first_rows", BAR, {"market": figures}, {"market": holds})))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
