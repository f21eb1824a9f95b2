"""Stories of renting that are told again and again: how often all went well, and what was wrong otherwise."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from tests.compatibility.world import REPOSITORY
from tests.rentals.renting.world import Renting

WELL = "well"


async def tell(world: Renting, name: str, number: int, story: Callable[[], Awaitable[None]]) -> Counter[str]:
    """What came of it, which is said as well; after one that went wrong the world is cleared up."""
    began = time.monotonic()
    found = WELL
    try:
        await story()
    except Exception as error:
        found = f"{name}: {type(error).__name__} {error}".splitlines()[0]
        await world.end_everything()
    print(f"{name} {number}: {found} ({time.monotonic() - began:.1f} s)", file=sys.stderr, flush=True)
    return Counter([found])


def part_of(text: str) -> tuple[int, int]:
    """For argparse: `1/3` is the second of three parts."""
    part, _, parts = text.partition("/")
    if not 0 <= int(part) < int(parts):
        raise argparse.ArgumentTypeError(f"{text} is no part")
    return int(part), int(parts)


def tell_at_once(module: str, arguments: Sequence[str], parts: int) -> Counter[str]:
    """By so many processes, each with a world of its own and its part of the stories; each prints what it found."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", module, *arguments, "--part", f"{part}/{parts}"],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
        )
        for part in range(parts)
    ]
    return sum((_found_by(process) for process in processes), Counter())


def _found_by(process: subprocess.Popen[str]) -> Counter[str]:
    printed, _ = process.communicate()
    return Counter(json.loads(printed) if process.returncode == 0 else ["a part did not come to its end"])
