"""Runs one warden: `python -m jupyter_gpu_bridge.rentals.warden FOLDER`, started by whoever needs the machine first."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from jupyter_gpu_bridge import keys
from jupyter_gpu_bridge.machine.link.link import Link
from jupyter_gpu_bridge.machine.link.process import keep_link, serve
from jupyter_gpu_bridge.machine.link.target import Target
from jupyter_gpu_bridge.providers.clouds import Clouds
from jupyter_gpu_bridge.rentals.book import Book
from jupyter_gpu_bridge.rentals.clock import clock_of_environment
from jupyter_gpu_bridge.rentals.ledger import Ledger
from jupyter_gpu_bridge.rentals.reach import wish_of
from jupyter_gpu_bridge.rentals.warden.warden import Warden


async def _run(folder: Path) -> None:
    with Ledger.open() as ledger:
        clouds = Clouds()
        warden = Warden(wish_of(folder.name), Book(ledger, clock_of_environment()), clouds)
        link = Link(folder, Target.dialer, warden)
        wanted = asyncio.create_task(warden.run(link))
        try:
            await serve(folder, link)
        finally:
            wanted.cancel()
            await asyncio.gather(wanted, return_exceptions=True)
            await clouds.close()


def main() -> int:
    keys.withdraw()
    keep_link(Path(sys.argv[1]), _run)
    return 0


if __name__ == "__main__":
    sys.exit(main())
