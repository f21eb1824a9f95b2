"""The two key pairs of each attempt: ours to enter the machine, and the machine's own, by which we know it.

They are files that only this user can read, and nothing else ever holds them: not the ledger, not a log. The machine's
own private key travels to it in its start script, and is of no use anywhere else.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from jupyter_gpu_bridge import settings
from jupyter_gpu_bridge.model import AttemptId

_OURS, _ITS = "identity", "host"


@dataclass(frozen=True, slots=True)
class AttemptKeys:
    attempt_id: AttemptId
    identity_file: Path
    public_key: str
    """A line of authorized_keys."""
    host_key: str
    """The public half, `TYPE BASE64`."""
    private_host_key: str = field(repr=False)


def make(attempt_id: AttemptId) -> AttemptKeys:
    folder = _folder(attempt_id)
    settings.private_folder(folder.parent)
    settings.private_folder(folder)
    for name in (_OURS, _ITS):
        _write_pair(folder / name)
    return load(attempt_id)


def load(attempt_id: AttemptId) -> AttemptKeys:
    """Raises `FileNotFoundError` when they are gone: then the machine can be ended, and not entered."""
    folder = _folder(attempt_id)
    public_key = (folder / f"{_OURS}.pub").read_text().strip()
    return AttemptKeys(
        attempt_id=attempt_id,
        identity_file=folder / _OURS,
        public_key=f"{public_key} gpu-bridge-{attempt_id[:8]}",
        host_key=(folder / f"{_ITS}.pub").read_text().strip(),
        private_host_key=(folder / _ITS).read_text(),
    )


def private(attempt_id: AttemptId) -> Sequence[str]:
    """What must be seen nowhere: the private halves, as far as they are there."""
    paths = [_folder(attempt_id) / name for name in (_OURS, _ITS)]
    return [path.read_text() for path in paths if path.exists()]


def find(start: str) -> AttemptKeys | None:
    """Of the attempt whose id begins so, as the names of machines tell it; nothing when they are gone."""
    for folder in (settings.data_folder() / "keys").glob(f"{start}*"):
        try:
            return load(AttemptId(folder.name))
        except FileNotFoundError:
            continue
    return None


def made() -> Mapping[AttemptId, datetime]:
    """All attempts whose keys are here, and when they were made."""
    found = {}
    for folder in (settings.data_folder() / "keys").glob("[0-9a-f]" * 32):
        with contextlib.suppress(FileNotFoundError):  # of one that is over just now
            at = (folder / _OURS).stat().st_mtime
            found[AttemptId(folder.name)] = datetime.fromtimestamp(at, timezone.utc)
    return found


def forget(attempt_id: AttemptId) -> None:
    shutil.rmtree(_folder(attempt_id), ignore_errors=True)


def _folder(attempt_id: AttemptId) -> Path:
    return settings.data_folder() / "keys" / attempt_id


def _write_pair(path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(private)
    path.with_name(f"{path.name}.pub").write_bytes(
        key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    )
