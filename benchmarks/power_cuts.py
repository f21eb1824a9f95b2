"""Power cuts at marked points of renting, again and again: what is billed afterwards, and whether it is wanted."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter

from benchmarks.report import line
from tests.rentals.renting.test_power_cuts import BEFORE_THE_MACHINE, WHEN_IT_ENDS
from tests.rentals.renting.world import Renting, dying_at, renting, until

BAR = "a process killed at a marked point, one restart: no machine that nobody wants, no second one for one wish, 100 %"


async def _on_the_way(world: Renting, point: str, key: str, *, wanted: bool) -> str:
    """What is wrong; nothing when all is well."""
    wish_id = await world.ask_until_there(point, key)
    if len(world.billed()) > 1:
        return "two machines for one wish"
    if wanted:
        standing = await world.bridge.arrive(await world.bridge.rental(wish_id), world.report)
        if [each["name"] for each in world.billed()] != [standing.rental.name if standing.rental else ""]:
            return "not the machine that is wanted"
    await world.bridge.end_rental(wish_id, "It was measured.")
    await world.bridge.guard()
    await world.until_over(wish_id)
    return "billed and not wanted" if world.billed() else ""


async def _at_the_end(world: Renting, point: str, key: str) -> str:
    with dying_at(point):
        standing = await world.bridge.arrive(await world.want(key=key), world.report)
        await world.bridge.end_rental(standing.wish.wish_id, "It was measured.")
        await until(lambda: not world.wardens())
    await world.bridge.guard()
    await world.until_over(standing.wish.wish_id)
    return "billed and not wanted" if world.billed() else ""


async def _all(world: Renting, runs: int) -> Counter[str]:
    found: Counter[str] = Counter()
    stories = [
        *((_on_the_way, point, {"wanted": wanted}) for point in BEFORE_THE_MACHINE for wanted in (True, False)),
        *((_at_the_end, point, {}) for point in WHEN_IT_ENDS),
    ]
    for number in range(runs):
        story, point, how = stories[number % len(stories)]
        wrong = await story(world, point, f"name:run{number}", **how)  # type: ignore[operator]
        found[f"{point}: {wrong}" if wrong else "well"] += 1
        print(f"{number + 1} of {runs}: {point} {wrong or 'well'}", file=sys.stderr, flush=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.power_cuts", description=BAR)
    parser.add_argument("--runs", type=int, default=512)
    options = parser.parse_args()
    began = time.monotonic()
    with renting() as world:
        found = asyncio.run(_all(world, options.runs))
    holds = found["well"] == options.runs
    points = len(BEFORE_THE_MACHINE) + len(WHEN_IT_ENDS)
    seconds = round(time.monotonic() - began)
    figures = {"runs": options.runs, "points": points, "seconds": seconds, **dict(found)}
    print(json.dumps(line("power_cuts", BAR, {"sandbox": figures}, {"sandbox": holds})), flush=True)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
