"""Who we are at the providers: each machine bears the id of the installation that rented it.

Kept apart from the ledger, and twice: when the ledger is lost, its machines are still known to be ours. The copy lies
where people keep settings, which some carry from one computer to the next: it counts only on the one it was made on.

So does the main file, which a copied folder brings along: whoever took its id for his own there would end what another
uses. It is here where its folder is the very same one (by its inode: also seen from several computers, or from a
container whose name changes with each start), or where its computer is, and the folder it was made in is not there any
more. Elsewhere a new id is taken; the machines of the former one are only shown, with how to end them.
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
    if found is not None and _is_marked(main) and (copy is None or os.path.exists(copy)):
        return found
    with exclusive(main.with_name(f"{main.name}.lock")):
        found, former = _read(main), _former(main)
        if found is None:
            kept = None if copy is None else _read(copy, here=True)
            found = kept if kept is not None and kept not in former else _new()
            _write(main, "\n".join([f"{found} {_mark(main)}", *sorted(former)]))
        elif not _is_marked(main):  # by an earlier version
            with contextlib.suppress(OSError):
                _write(main, f"{found} {_mark(main)}")
        if copy is not None and not os.path.exists(copy):
            with contextlib.suppress(OSError):  # nothing is wrong yet without the copy, and the next call tries again
                _write(copy, f"{found} {_computer()}")
    return found


def former_ids() -> frozenset[InstallationId]:
    """Of installations whose folder was copied to here: their machines are shown, and nothing else."""
    installation_id()
    return _former(_places()[0])


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

    `here`: only what was made on this computer. Of the main file that is always so.
    """
    text, _, mark = _lines(place)[0].partition(" ")
    if (here and mark != _computer()) or (" " in mark and not _is_here(place, mark)):
        return None
    return InstallationId(text) if _ID.fullmatch(text) else None


def _former(main: Path) -> frozenset[InstallationId]:
    first, *others = _lines(main)
    found = {*others} if _read(main) is not None else {first.partition(" ")[0], *others}
    return frozenset(InstallationId(each) for each in found if _ID.fullmatch(each))


def _lines(place: Path) -> list[str]:
    try:
        return place.read_text("utf-8", errors="replace").strip().split("\n")
    except (FileNotFoundError, NotADirectoryError):
        return [""]


def _is_marked(main: Path) -> bool:
    return " " in _lines(main)[0]


def _mark(main: Path) -> str:
    folder = main.parent.resolve()
    return f"{_computer()} {_inode(folder)} {folder}"


def _is_here(main: Path, mark: str) -> bool:
    computer, inode, made_in = mark.split(" ", 2)
    if inode == _inode(main.parent):
        return True
    return computer == _computer() and inode != _inode(Path(made_in))


def _inode(folder: Path) -> str:
    """Nothing where there is no such folder."""
    try:
        return str(folder.stat().st_ino)
    except OSError:
        return ""


def _write(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace_file(place, f"{text}\n".encode("utf-8", errors="replace"))


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
