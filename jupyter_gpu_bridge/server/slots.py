"""Where one Jupyter server writes down its sessions: a file of its own, whatever other servers there are."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jupyter_gpu_bridge.files import replace_file, try_lock
from jupyter_gpu_bridge.model import KernelId
from jupyter_gpu_bridge.settings import data_folder, private_folder

_VERSION = 1

_MOST = 100


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """What a Jupyter server needs to give a notebook its kernel back after a restart."""

    session_id: str
    """Empty for a kernel that was started without a session."""
    kernel_id: KernelId
    kernel_name: str
    """Of the kernelspec."""
    path: str
    name: str
    type: str


class Slot:
    """Ours until this process ends, however it ends; then the next server of the same folder finds what we left."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock
        self._written: tuple[SessionRecord, ...] | None = None

    @classmethod
    def take(cls, root: Path) -> Slot | None:
        """The first slot of this root folder that no living server holds; `None` when there is none."""
        mark = hashlib.sha256(f"{os.getuid()}:{root.resolve()}".encode()).hexdigest()[:16]
        folder = private_folder(data_folder() / "sessions")
        for number in range(_MOST):
            path = folder / f"{mark}-{number}.json"
            lock = try_lock(path.with_suffix(".lock"))
            if lock is not None:
                return cls(path, lock)
        return None

    def close(self) -> None:
        """Let the next server have it; the end of the process does the same."""
        if self._lock >= 0:
            os.close(self._lock)
        self._lock = -1

    def read(self) -> Sequence[SessionRecord]:
        """What the last holder left; raises `ValueError` when it makes no sense."""
        try:
            content = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return ()
        try:
            if content["version"] != _VERSION:
                raise ValueError(f"{self.path} has version {content['version']}")
            return [SessionRecord(**fields) for fields in content["sessions"]]
        except (TypeError, KeyError) as error:
            raise ValueError(f"{self.path} is damaged: {error}") from error

    def write(self, records: Sequence[SessionRecord]) -> None:
        """Cheap when nothing changed."""
        wanted = tuple(sorted(records, key=lambda record: (record.kernel_id, record.session_id)))
        if wanted == self._written or (not wanted and self._written is None and not self.path.exists()):
            return
        content = {"version": _VERSION, "sessions": [dataclasses.asdict(record) for record in wanted]}
        replace_file(self.path, json.dumps(content, indent=1).encode())
        self._written = wanted
