"""How memory is handled in a process that lives long and moves much.

As it comes, glibc gives a large block back to the system as soon as it is free, and the next message touches fresh
pages again, at about 180 faults for each megabyte: a fifth of what a keeper does. So some of it is kept. And Python
looks for garbage after every few hundred objects, in all there are, which nobody should have to wait for.
"""

from __future__ import annotations

import ctypes
import gc
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT = 16 * 1024 * 1024
_LARGEST = 8 * 1024 * 1024
"""What is larger than this is still given back at once."""


def settle_in() -> None:
    """For the whole process, when everything is imported."""
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
    _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Nothing where the C library is another one."""
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGEST)
    mallopt(_M_TRIM_THRESHOLD, _KEPT)
