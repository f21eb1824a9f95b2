"""SIGTERM to a keeper, before its event loop listens to it."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from typing import Iterator


class Ending:
    """It is the end, but not between the birth of a kernel and our knowing of it."""

    def __init__(self) -> None:
        self._asked = False
        self._is_put_off = False
        signal.signal(signal.SIGTERM, self._hear)

    @contextmanager
    def put_off(self) -> Iterator[None]:
        """Left as usual, or, when the end was asked for meanwhile, with `SystemExit`."""
        self._is_put_off = True
        yield
        self._is_put_off = False
        if self._asked:
            sys.exit(128 + signal.SIGTERM)

    def _hear(self, number: int, stack: object) -> None:
        self._asked = True
        if not self._is_put_off:
            sys.exit(128 + number)
