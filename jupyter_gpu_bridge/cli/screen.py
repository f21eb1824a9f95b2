"""How answers look: a table or a sentence for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime, timezone

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.errors import BridgeError


class Screen:
    """Where a command answers; with JSON there is exactly one object on standard output and nothing else."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    @property
    def can_ask(self) -> bool:
        """Whether somebody sits there and can be asked."""
        return not self.as_json and sys.stdin.isatty() and sys.stderr.isatty()

    def agrees(self, question: str) -> bool:
        """Whether somebody who sits there says yes; nobody there is a no."""
        return self.can_ask and self.answer(f"{question} [y/N] ").lower() in ("y", "yes")

    def answer(self, question: str) -> str:
        """What is typed after the question, only where somebody `can_ask`."""
        print(question, end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip()

    def data(self, data: plain.Plain) -> None:
        if self.as_json:
            print(json.dumps(data, indent=2))

    def say(self, text: str) -> None:
        if not self.as_json:
            print(harmless(text), flush=True)

    def note(self, text: str) -> None:
        """What is not the answer: shown to people only."""
        if not self.as_json:
            print(harmless(text), file=sys.stderr, flush=True)

    def table(self, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        if self.as_json:
            return
        rows = [[harmless(cell) for cell in row] for row in rows]
        widths = [max(len(row[column]) for row in [titles, *rows]) for column in range(len(titles))]
        for row in [titles, *rows]:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    def error(self, error: BridgeError) -> None:
        if self.as_json:
            print(json.dumps(plain.problem(error.as_problem()), indent=2))
        else:
            print(harmless(str(error)), file=sys.stderr)


def harmless(text: str) -> str:
    """Without what a terminal would obey: much of what is shown was said by providers and their hosts."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else " " for letter in text)


def ago(moment: datetime | None) -> str:
    """How long ago, in the largest unit that is not zero."""
    if moment is None:
        return "-"
    seconds = max(0, int((datetime.now(timezone.utc) - moment).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
