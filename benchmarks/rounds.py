"""Double clicks, two servers and two ledgers, round after round: how many machines there are, and who touched them."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from functools import partial
from typing import Any

from benchmarks.repeated import WELL, tell
from benchmarks.report import line
from tests.rentals.renting.rounds import STORIES
from tests.rentals.renting.world import Renting, renting

BAR = "two servers, two ledgers, double clicks: 100 rounds each: one machine per wish; each touches only its own"


async def _tell(world: Renting, name: str, rounds: int) -> Counter[str]:
    found: Counter[str] = Counter()
    async with STORIES[name](world) as play:
        for number in range(rounds):
            found += await tell(world, name, number, partial(play, number))
    return found


def _measure(name: str, rounds: int) -> dict[str, Any]:
    began = time.monotonic()
    with renting() as world:
        found = asyncio.run(_tell(world, name, rounds))
        machines = world.created()
    return {"rounds": rounds, "machines": machines, "seconds": round(time.monotonic() - began), WELL: 0, **found}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rounds", description=BAR)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--only", default=",".join(STORIES), help="which stories, with commas")
    options = parser.parse_args()
    figures = {name: _measure(name, options.rounds) for name in options.only.split(",")}
    holds = {name: found[WELL] == options.rounds for name, found in figures.items()}
    print(json.dumps(line("rounds", BAR, figures, holds)), flush=True)
    return 0 if all(holds.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
