"""One bucket for all processes of this user on this computer, in a small file that is locked for microseconds.

Nobody waits for the lock while holding up an event loop, and nobody waits for ever: a process that was stopped may hold
it. Whoever cannot have it counts alone for a while, from what was known last, and tells the others afterwards. So does
whoever finds no folder that can be written to, a full disk, or one that is slow.

What was written before this computer started, comes from the future or is damaged counts for nothing.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import math
import os
import re
import struct
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from functools import lru_cache
from pathlib import Path

from jupyter_gpu_bridge import settings
from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.providers.bucket import Bucket

log = logging.getLogger(__name__)

LONGEST_PAUSE = 3600.0
"""What a provider says about when to come again is believed up to here."""

_PATIENCE = 0.25
"""Seconds for which a turn tries to have the lock, sleeping in between."""
_ALONE_FOR = 5.0
_SLOW = 0.1
"""Seconds that no file of some bytes takes."""
_FUTURE = 1.0

_CONTENT = struct.Struct("<16sddd")
"""The start of this computer; when it was filled, until when it is paused, and the tokens."""
_CHECK = struct.Struct("<I")


class Hold(Enum):
    SHARED = "shared"
    BUSY = "busy"
    """Somebody else has it now: try again in a moment."""
    ALONE = "alone"


class SharedBucket:
    """Belongs to one limiter, which lets in one thread at a time. Counts on the clock that all processes have."""

    def __init__(
        self, name: str, left_alone: Callable[[], None] = lambda: None, folder: Callable[[], Path] = settings.run_folder
    ) -> None:
        """`name`: of the file; `left_alone`: called each time that we count alone for a while."""
        self._name = name
        self._left_alone = left_alone
        self._folder = folder
        self._path: Path | None = None
        self._alone_until = -math.inf
        self._busy_since: float | None = None

    @contextmanager
    def held(self, own: Bucket, *, may_wait: bool = False) -> Iterator[Hold]:
        """While it is, `own` is what all have. `may_wait`: who asks can come again in a moment."""
        start = time.monotonic()
        descriptor = None if start < self._alone_until else self._taken(start, own, may_wait=may_wait)
        if descriptor is None:
            yield Hold.BUSY if may_wait and self._busy_since is not None else Hold.ALONE
            return
        try:
            yield Hold.SHARED
            _write(descriptor, own)
        except OSError as error:
            self._leave(str(error))
        finally:
            os.close(descriptor)
        if time.monotonic() - start > _SLOW:
            self._leave("it took too long")

    def _taken(self, now: float, own: Bucket, *, may_wait: bool) -> int | None:
        """The descriptor that holds the lock, with what all have in `own`."""
        descriptor = None
        try:
            if self._path is None:
                self._path = self._folder() / self._name
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _read(descriptor, own)
        except BlockingIOError:
            self._is_busy(now, may_wait=may_wait)
        except (OSError, BridgeError) as error:
            self._path = None
            self._leave(str(error))
        else:
            self._busy_since = None
            return descriptor
        if descriptor is not None:
            os.close(descriptor)
        return None

    def _is_busy(self, now: float, *, may_wait: bool) -> None:
        if self._busy_since is None and may_wait:
            self._busy_since = now
        elif self._busy_since is not None and now - self._busy_since > _PATIENCE:
            self._leave("somebody else holds it")

    def _leave(self, why: str) -> None:
        log.info("Requests are counted by this process alone for %g s (%s): %s.", _ALONE_FOR, self._name, why)
        self._alone_until, self._busy_since = time.monotonic() + _ALONE_FOR, None
        self._left_alone()


def file_name(provider: str, credential: str, verb: str = "") -> str:
    """Says nothing of the credential."""
    mark = hashlib.sha256("\0".join((provider, credential, verb)).encode()).hexdigest()[:32]
    return f"{_beginning(provider, 'pace' if verb else 'rate')}{mark}"


def renew(provider: str) -> None:
    """Let no pause and no request count that any process knows of, with whatever key."""
    with suppress(OSError, BridgeError):  # then there is none
        for path in settings.run_folder().glob(f"{_beginning(provider, 'rate')}*"):
            now = time.monotonic()
            own = Bucket(now, now)
            with SharedBucket(path.name).held(own):
                own.renew(time.monotonic())


def _beginning(provider: str, what: str) -> str:
    return f"{what}-{re.sub(r'[^a-z0-9]+', '_', provider.lower())[:32]}-"


def _read(descriptor: int, own: Bucket) -> None:
    content = os.pread(descriptor, _CONTENT.size + _CHECK.size + 1, 0)
    if len(content) != _CONTENT.size + _CHECK.size:
        return
    said, (check,) = content[: _CONTENT.size], _CHECK.unpack(content[_CONTENT.size :])
    start, filled, paused_until, tokens = _CONTENT.unpack(said)
    now = time.monotonic()
    if (
        check == zlib.crc32(said)
        and start == _start()
        and 0 <= filled <= now + _FUTURE
        and 0 <= paused_until <= now + LONGEST_PAUSE + _FUTURE
        and tokens > -math.inf
    ):
        own.learn(filled, paused_until, tokens)


def _write(descriptor: int, own: Bucket) -> None:
    said = _CONTENT.pack(_start(), own.filled, own.paused_until, own.tokens)
    content = said + _CHECK.pack(zlib.crc32(said))
    if os.pwrite(descriptor, content, 0) != len(content):
        raise OSError("the disk is full")
    os.ftruncate(descriptor, len(content))
    own.is_known()


@lru_cache(maxsize=1)
def _start() -> bytes:
    """Another one each time that this computer starts, and of each computer."""
    return hashlib.sha256(_boot().encode()).digest()[:16]


def _boot() -> str:
    if sys.platform == "darwin":
        import ctypes

        said, size = ctypes.create_string_buffer(64), ctypes.c_size_t(64)
        ctypes.CDLL(None).sysctlbyname(b"kern.bootsessionuuid", said, ctypes.byref(size), None, 0)
        return said.value.decode()
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # what comes from the future is thrown away all the same
        return ""
