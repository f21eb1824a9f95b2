"""Options that several benchmarks share."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def count(name: str, default: int, help: str) -> Callable[[argparse.ArgumentParser], None]:
    """One option that is a whole number."""

    def add(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{help} (default: {default})")

    return add
