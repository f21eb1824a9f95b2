"""Runs one link: `python -m jupyter_gpu_bridge.machine.link FOLDER`, started by whoever needs its machine first."""

from __future__ import annotations

import sys
from pathlib import Path

from jupyter_gpu_bridge.machine.link.link import Link
from jupyter_gpu_bridge.machine.link.process import keep_link, serve
from jupyter_gpu_bridge.machine.link.target import Target


async def _run(folder: Path) -> None:
    await serve(folder, Link(folder, Target.dialer))


def main() -> int:
    keep_link(Path(sys.argv[1]), _run)
    return 0


if __name__ == "__main__":
    sys.exit(main())
