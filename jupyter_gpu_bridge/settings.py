"""The ground: where things are kept on this computer, who may read them, and what Jupyter's configuration says."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from jupyter_gpu_bridge.errors import BadRequest, BridgeError

LEDGER_VARIABLE = "JUPYTER_GPU_BRIDGE_LEDGER"
"""Names a ledger other than the usual one."""
_SOCKET_PATH_LIMIT = 90
"""Unix socket paths end at 104 bytes on macOS and 108 on Linux; ZMQ adds `-5` and we add a name."""

_configured: Mapping[str, str] = {}


def configure(values: Mapping[str, str]) -> None:
    """What Jupyter's configuration says, by the names that it has in an environment."""
    global _configured
    _configured = dict(values)


def configured() -> Mapping[str, str]:
    """What processes that outlive us have to be told, for they are started without that configuration."""
    return _configured


def variable(name: str) -> str:
    """Of the environment, else of Jupyter's configuration, else empty."""
    return os.environ.get(name, "").strip() or _configured.get(name, "")


def private_folder(path: Path) -> Path:
    """The folder, made if need be, that only this user can enter; raises when it belongs to somebody else."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = path.stat()
    if found.st_uid != os.getuid():
        raise BadRequest(
            f"The folder {path} belongs to another user, so nothing private can be kept there.",
            advice="Set JUPYTER_GPU_BRIDGE_HOME to a folder of your own.",
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        path.chmod(0o700)
    return path


def data_folder() -> Path:
    """What must survive a reboot: hosts, confirmed host keys, sessions of kept kernels."""
    chosen = os.environ.get("JUPYTER_GPU_BRIDGE_HOME")
    if chosen:
        return private_folder(Path(chosen).expanduser())
    from jupyter_core.paths import jupyter_data_dir

    return private_folder(Path(jupyter_data_dir()) / "gpu-bridge")


def ledger_name() -> str:
    """Of the ledger that is used now, as it was named; it may hold a password."""
    return os.environ.get(LEDGER_VARIABLE) or os.fspath(data_folder() / "ledger.db")


def has_ledger() -> bool:
    """Whether there is one at all; cheap, so that whoever rents nothing pays nothing for it."""
    return bool(os.environ.get(LEDGER_VARIABLE)) or (data_folder() / "ledger.db").exists()


def run_folder() -> Path:
    """Where the private sockets are: short enough for a Unix socket, and ours alone."""
    wanted = data_folder() / "run"
    if len(os.fsencode(wanted)) <= _SOCKET_PATH_LIMIT - 40:
        return private_folder(wanted)
    mark = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:8]
    for base in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):  # noqa: S108 - checked by private_folder
        if base and os.path.isdir(base) and len(os.fsencode(base)) <= _SOCKET_PATH_LIMIT - 60:
            return private_folder(Path(base) / f"gpu-bridge-{os.getuid()}-{mark}")
    raise BridgeError(
        f"No folder is short enough for a local socket: {wanted} is too long, and so is the temporary folder.",
        advice="Set JUPYTER_GPU_BRIDGE_HOME (or TMPDIR) to a shorter path.",
    )
