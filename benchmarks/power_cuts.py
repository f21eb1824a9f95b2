"""Power cuts at marked points of renting, again and again: what is billed afterwards, and whether it is wanted."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from functools import partial

from benchmarks.repeated import WELL, part_of, tell, tell_at_once
from benchmarks.report import line
from tests.rentals.renting.cuts import all_cuts
from tests.rentals.renting.world import Renting, renting

BAR = "a process killed at a marked point, one restart: no machine that nobody wants, no second one for one wish, 100 %"
_CUTS = list(all_cuts())


async def _tell(world: Renting, numbers: range) -> Counter[str]:
    found: Counter[str] = Counter()
    for number in numbers:
        cut = _CUTS[number % len(_CUTS)]
        found += await tell(world, cut.point, number, partial(cut.tell, world, f"name:run{number}"))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.power_cuts", description=BAR)
    parser.add_argument("--runs", type=int, default=512)
    parser.add_argument("--at-once", type=int, default=1, metavar="N", help="so many worlds (default: 1)")
    parser.add_argument("--part", type=part_of, help="only these runs, for example 0/2, and print their count")
    options = parser.parse_args()
    if options.part is not None:
        part, parts = options.part
        with renting() as world:
            print(json.dumps(asyncio.run(_tell(world, range(part, options.runs, parts)))), flush=True)
        return 0
    began = time.monotonic()
    found = tell_at_once("benchmarks.power_cuts", ["--runs", str(options.runs)], options.at_once)
    holds = found[WELL] == options.runs
    points = len({cut.point for cut in _CUTS[: options.runs]})
    seconds = round(time.monotonic() - began)
    figures = {"runs": options.runs, "points": points, "at_once": options.at_once, "seconds": seconds, **found}
    print(json.dumps(line("power_cuts", BAR, {"sandbox": figures}, {"sandbox": holds})), flush=True)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
