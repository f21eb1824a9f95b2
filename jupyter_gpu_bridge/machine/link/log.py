"""The link's log: a line for each thing that happens to it, in a file that stays small however long it lives."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import IO

MOST = 4 * 1024 * 1024
LONGEST = 500
"""Of what somebody else has said."""
_TALKATIVE = ("httpx", "httpcore")
"""They tell the address of each request, in which some clouds want to see the key."""


def keep_log(path: Path) -> None:
    """From now on all that this process has to tell goes to standard error, which appends to this file."""
    logging.basicConfig(level=logging.INFO, handlers=[BoundedHandler(sys.stderr, path)])
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


class BoundedHandler(logging.StreamHandler[IO[str]]):
    """Writes to a stream that appends to a file; when that has grown too long, its older half goes."""

    def __init__(self, stream: IO[str], path: Path) -> None:
        super().__init__(stream)
        self._path = path
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        try:
            self._trim()
        except OSError:
            self.handleError(record)

    def _trim(self) -> None:
        descriptor = self.stream.fileno()
        size = os.fstat(descriptor).st_size
        if size <= MOST:
            return
        with self._path.open("rb") as file:
            file.seek(size - MOST // 2)
            file.readline()
            kept = file.read()
        os.ftruncate(descriptor, 0)
        os.write(descriptor, kept)


def one_line(text: str) -> str:
    """What came from outside, as part of a line: it neither makes lines of its own nor fills the log."""
    return "".join(c if c.isprintable() else " " for c in text)[:LONGEST]
