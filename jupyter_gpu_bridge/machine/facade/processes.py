"""Who is at the other end of a Unix socket, and whether that process still lives."""

from __future__ import annotations

import os
import socket
import struct
import sys
from dataclasses import dataclass

_SOL_LOCAL, _LOCAL_PEERPID = 0, 2


@dataclass(frozen=True, slots=True)
class Process:
    """A process, told apart from a later one with the same pid by when it started (0: not known here)."""

    pid: int
    started: int = 0

    @classmethod
    def of_peer(cls, connection: socket.socket) -> Process:
        pid = _peer_pid(connection)
        found = _stat(pid)
        return cls(pid, found[1] if found else 0)

    @property
    def alive(self) -> bool:
        """A zombie is dead: nobody reads its sockets any more."""
        if sys.platform != "linux":
            return _answers(self.pid)
        found = _stat(self.pid)
        return found is not None and found[0] not in "ZXx" and self.started in (0, found[1])


def _peer_pid(connection: socket.socket) -> int:
    if sys.platform != "linux":
        return int(struct.unpack("i", connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID, 4))[0])
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[0])


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _stat(pid: int) -> tuple[str, int] | None:
    """State letter and start time from /proc; the command's name may hold anything, so count from its last `)`."""
    if sys.platform != "linux":
        return None
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return fields[0].decode(), int(fields[19])
