"""How memory is handled in a process that lives long and moves much.

As it comes, glibc gives a large block back to the system as soon as it is free, and the next message touches fresh
pages again, at 180 faults for each megabyte: half of what a keeper does. So what is free is kept while much flows. And
Python looks for garbage after every few hundred objects, in all there are, which nobody should have to wait for.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
from typing import Any

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT = 40 * 1024 * 1024
_LARGEST = 8 * 1024 * 1024
"""What is larger than this is given back at once."""
LARGE = 128 * 1024
IDLE = 2.0
"""Seconds without anything large after which what is free is given back."""


def settle_in() -> None:
    """For the whole process, when everything is imported."""
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
    library = _library()
    if library is not None:
        library.mallopt(_M_MMAP_THRESHOLD, _LARGEST)
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT)


class Thrift:
    """Gives back what is kept, once nothing large has come for a while."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None
        self._is_used = False

    def note(self, size: int) -> None:
        """Something of this size was held in memory."""
        if size < LARGE:
            return
        self._is_used = True
        if self._timer is None:
            self._look_later()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(IDLE, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._is_used:
            self._is_used = False
            self._look_later()
            return
        library = _library()
        if library is not None:
            library.malloc_trim(0)


def _library() -> Any:
    """The C library, if it is one that knows these calls."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
