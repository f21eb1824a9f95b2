"""Where one Jupyter server writes down its sessions: a file of its own, whatever other servers there are."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
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
        self._written: tuple[int, tuple[SessionRecord, ...]] | None = None

    @classmethod
    def take(cls, root: Path, port: int = 0) -> Slot | None:
        """One of this root folder that no living server holds: that of this port if there is one, else the first.

        `None` when there is none.
        """
        mark = hashlib.sha256(f"{os.getuid()}:{root.resolve()}".encode()).hexdigest()[:16]
        folder = private_folder(data_folder() / "sessions")
        paths = [folder / f"{mark}-{number}.json" for number in range(_MOST)]
        return next(cls._free(sorted(paths, key=lambda path: not port or _port_of(path) != port)), None)

    @classmethod
    def _free(cls, paths: Iterable[Path]) -> Iterator[Slot]:
        for path in paths:
            lock = try_lock(path.with_suffix(".lock"))
            if lock is not None:
                yield cls(path, lock)

    def left_beside(self) -> Iterator[Slot]:
        """What other servers of the same folder left when they ended; each is held until it is closed."""
        folder, mark = self.path.parent, self.path.stem.rpartition("-")[0]
        yield from self._free(path for path in sorted(folder.glob(f"{mark}-*.json")) if path != self.path)

    def close(self) -> None:
        """Let the next server have it; the end of the process does the same."""
        if self._lock >= 0:
            os.close(self._lock)
        self._lock = -1

    def clear(self) -> None:
        """What it holds is written down elsewhere."""
        self.path.unlink(missing_ok=True)
        self._written = None

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

    def write(self, records: Sequence[SessionRecord], port: int = 0) -> None:
        """Cheap when nothing changed; the port is the one by which this server finds it first, should it come back."""
        ordered = tuple(sorted(records, key=lambda record: (record.kernel_id, record.session_id)))
        if (port, ordered) == self._written or (not ordered and self._written is None and not self.path.exists()):
            return
        sessions = [dataclasses.asdict(record) for record in ordered]
        content = {"version": _VERSION, "port": port, "sessions": sessions}
        replace_file(self.path, json.dumps(content, indent=1).encode())
        self._written = (port, ordered)


def united(first: Sequence[SessionRecord], *others: Sequence[SessionRecord]) -> Sequence[SessionRecord]:
    """All of them; what a later one says of a kernel or a notebook that an earlier one has does not count."""
    found = list(first)
    for records in others:
        kernels = {record.kernel_id for record in found}
        places = {(record.path, record.type) for record in found}
        for record in records:
            if record.kernel_id in kernels:
                continue
            # A notebook can have one kernel; the other one is there as well, and can be given to a notebook.
            has_place = (record.path, record.type) not in places
            found.append(record if has_place else SessionRecord("", record.kernel_id, record.kernel_name, "", "", ""))
    return found


def _port_of(path: Path) -> int:
    """Without a lock: only to look there first."""
    try:
        return int(json.loads(path.read_bytes())["port"])
    except (OSError, ValueError, TypeError, KeyError):
        return 0
