"""Who we are at the providers: each machine bears the id of the installation that rented it.

Kept apart from the ledger, and twice: when the ledger is lost, its machines are still known to be ours. The copy lies
where people keep settings, which some carry from one computer to the next: it counts only on the one it was made on.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import secrets
import string
from pathlib import Path
from typing import NewType

from jupyter_gpu_bridge.files import exclusive, replace_file
from jupyter_gpu_bridge.model import AttemptId
from jupyter_gpu_bridge.naming import MACHINE_PREFIX
from jupyter_gpu_bridge.settings import LEDGER_VARIABLE, data_folder

InstallationId = NewType("InstallationId", str)

_SHORT = 12
_LETTERS = string.ascii_lowercase + string.digits
_ID = re.compile(r"[a-z0-9]{8}")
_MACHINE_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_NAME = re.compile(rf"{re.escape(MACHINE_PREFIX)}([a-z0-9]{{8}})-([0-9a-f]{{8,32}})")


def installation_id() -> InstallationId:
    """The same for ever; made when it is first asked for, once, however many ask."""
    main, copy = _places()
    found = _read(main)
    if found is not None and (copy is None or os.path.exists(copy)):
        return found
    with exclusive(main.with_name(f"{main.name}.lock")):
        found = _read(main)
        if found is None:
            found = (None if copy is None else _read(copy, here=True)) or _new()
            _write(main, found)
        if copy is not None and not os.path.exists(copy):
            with contextlib.suppress(OSError):  # nothing is wrong yet without the copy, and the next call tries again
                _write(copy, f"{found} {_computer()}")
    return found


def new_attempt_id() -> AttemptId:
    return AttemptId(secrets.token_hex(16))


def machine_name(installation: InstallationId, attempt_id: AttemptId) -> str:
    """Unique, and recognisable at every provider: at most 60 characters of `[a-z0-9-]`."""
    return f"{MACHINE_PREFIX}{installation}-{attempt_id[:_SHORT]}"


def parse_machine_name(name: str) -> tuple[InstallationId, str] | None:
    """Whose machine it is, and how its attempt's id begins; `None` for a name that we did not give."""
    match = _NAME.fullmatch(name)
    return None if match is None else (InstallationId(match[1]), match[2])


def _places() -> tuple[Path, Path | None]:
    main = data_folder() / f"installation{_of_ledger()}"
    if os.environ.get("JUPYTER_GPU_BRIDGE_HOME"):
        return main, None
    from jupyter_core.paths import jupyter_config_dir

    return main, Path(jupyter_config_dir()) / f"gpu-bridge-{main.name}"


def _of_ledger() -> str:
    """Nothing for the usual ledger. Each other one has an installation of its own: what stands in one of them would be
    nobody's for whoever looks into another, and would be ended."""
    if not os.environ.get(LEDGER_VARIABLE):
        return ""
    from jupyter_gpu_bridge.db.address import ledger_address, shown

    address = ledger_address()
    if address == data_folder() / "ledger.db":
        return ""
    place = str(address) if isinstance(address, Path) else f"{shown(address)}:{address.port or ''}"
    return f"-{hashlib.sha256(place.encode()).hexdigest()[:8]}"


def _read(place: Path, *, here: bool = False) -> InstallationId | None:
    """`None` only where there is nothing: an id that cannot be read now must not be replaced by another one.

    `here`: only what was made on this computer.
    """
    try:
        text, _, computer = place.read_text("ascii", errors="replace").strip().partition(" ")
    except (FileNotFoundError, NotADirectoryError):
        return None
    if here and computer != _computer():
        return None
    return InstallationId(text) if _ID.fullmatch(text) else None


def _write(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace_file(place, f"{text}\n".encode())


def _computer() -> str:
    """Tells computers apart without saying which one it is."""
    name = platform.node()
    for place in _MACHINE_IDS:
        with contextlib.suppress(OSError):
            name = place.read_text("ascii", errors="replace").strip() or name
            break
    return hashlib.sha256(f"jupyter-gpu-bridge {name}".encode()).hexdigest()[:12]


def _new() -> InstallationId:
    return InstallationId("".join(secrets.choice(_LETTERS) for _ in range(8)))
