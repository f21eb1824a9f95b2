"""Where the agent keeps its things on the machine: one private folder, with sockets whose paths are short enough."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

_SOCKET_PATH_LIMIT = 100
_LONGEST_NAME = 32


def kernels_folder(home: Path) -> Path:
    return home / "kernels"


def sockets_folder(home: Path) -> Path:
    """A private folder whose paths fit into a Unix socket address; raises `OSError` when there is none."""
    wanted = home / "s"
    if len(os.fsencode(wanted)) + _LONGEST_NAME <= _SOCKET_PATH_LIMIT:
        return private_folder(wanted)
    mark = hashlib.sha256(os.fsencode(home)).hexdigest()[:8]
    for base in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):  # noqa: S108 - made private below
        if base and len(os.fsencode(base)) + 24 + _LONGEST_NAME <= _SOCKET_PATH_LIMIT and os.path.isdir(base):
            return private_folder(Path(base) / (f"gpb-{os.getuid()}-{mark}"))
    raise OSError(36, "no folder is short enough for a local socket")


def private_folder(path: Path) -> Path:
    """Made if need be; raises `PermissionError` when somebody else could look inside."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if found.st_uid != os.getuid() or not os.path.isdir(path) or path.is_symlink():
        raise PermissionError(13, f"{path} belongs to somebody else")
    if found.st_mode & 0o077:
        path.chmod(0o700)
    return path


def agent_socket(home: Path, version: str) -> Path:
    """One agent per version: an old one that still serves somebody does not stand in the way of a new one."""
    return sockets_folder(home) / ("agent-" + version[:12])


def kernel_sockets(home: Path, kernel_id: str) -> str:
    """The prefix of all socket names of one kernel."""
    return str(sockets_folder(home) / (hashlib.sha256(kernel_id.encode()).hexdigest()[:12] + "-"))
