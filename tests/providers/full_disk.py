"""The count of requests on a disk that is full: `python -m tests.providers.full_disk DISK`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from jupyter_gpu_bridge.providers.limiter import Limiter, TooLong
from jupyter_gpu_bridge.providers.setting import Rate
from jupyter_gpu_bridge.providers.shared_bucket import SharedBucket
from tests.small_disk import ALL_WELL, fill


async def story(disk: Path) -> None:
    alone: list[str] = []
    fill(disk / "much")
    one = Limiter(lambda: Rate(2, 3600), shared=SharedBucket("rate-full", lambda: alone.append("alone"), lambda: disk))
    await one.turn(1)
    assert alone, "nothing can be written there"
    try:
        await one.turn(1)
    except TooLong:
        print(ALL_WELL)


if __name__ == "__main__":
    asyncio.run(story(Path(sys.argv[1])))
