"""One Unix socket that clients connect to, as a file that may vanish at any time and is then made again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path

_log = logging.getLogger(__name__)
_BACKLOG = 128
_PAUSE_SECONDS = 0.5


class Listener:
    """Private to the user (0600). jupyter_client deletes the file at each restart of a kernel: see `ensure`."""

    def __init__(self, path: Path, accepted: Callable[[socket.socket], None]) -> None:
        self._path = path
        self._accepted = accepted
        self._socket: socket.socket | None = None
        self._inode = 0

    def ensure(self) -> None:
        """The file is there and leads to us; connections that were made before are not touched."""
        with contextlib.suppress(FileNotFoundError):
            if self._socket is not None and self._path.stat().st_ino == self._inode:
                return
        self._stop()
        self._bind()

    def close(self) -> None:
        self._stop()
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()

    def _bind(self) -> None:
        # Bound under another name and moved into place: there is never a file that refuses, or that others can open.
        fresh = self._path.with_name(self._path.name + "~")
        fresh.unlink(missing_ok=True)
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            bound.setblocking(False)
            bound.bind(os.fspath(fresh))
            fresh.chmod(0o600)
            bound.listen(_BACKLOG)
            self._inode = fresh.stat().st_ino
            fresh.rename(self._path)
        except BaseException:
            bound.close()
            raise
        self._socket = bound
        asyncio.get_running_loop().add_reader(bound, self._accept)

    def _stop(self) -> None:
        if self._socket is None:
            return
        asyncio.get_running_loop().remove_reader(self._socket)
        while self._accept():
            pass
        self._socket.close()
        self._socket = None

    def _accept(self) -> bool:
        """One at a time: with several listeners ready, connections then come in nearly the order they were made."""
        if self._socket is None:
            return False
        try:
            connection, _ = self._socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False
        except OSError as problem:
            _log.error("No client can connect for a moment: %s", problem.strerror)
            self._pause()
            return False
        self._accepted(connection)
        return True

    def _pause(self) -> None:
        """Out of descriptors: a listener that stays readable would spin the loop."""
        loop = asyncio.get_running_loop()
        paused = self._socket
        if paused is None:
            return
        loop.remove_reader(paused)

        def resume() -> None:
            if self._socket is paused:
                loop.add_reader(paused, self._accept)

        loop.call_later(_PAUSE_SECONDS, resume)
