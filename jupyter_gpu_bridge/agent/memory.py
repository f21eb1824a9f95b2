"""How the C library handles large blocks, which messages are.

As it comes, glibc gives a large block back to the system as soon as it is free, and the next message touches fresh
pages again, at about 180 faults for each megabyte: a fifth of what a keeper does. So some of it is kept.
"""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT = 16 * 1024 * 1024
_LARGEST = 8 * 1024 * 1024
"""What is larger than this is still given back at once."""


def keep_some() -> None:
    """For the whole process; nothing where the C library is another one."""
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGEST)
    mallopt(_M_TRIM_THRESHOLD, _KEPT)
