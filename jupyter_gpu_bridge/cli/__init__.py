"""`jupyter gpu`: the bridge on the command line."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status: 0, 1 when something is wrong, 2 for bad usage, 130 when interrupted."""
    from jupyter_gpu_bridge.cli.command import run

    return run(argv)
