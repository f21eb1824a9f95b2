"""The kernel as a process: started as the leader of its own session, watched, signalled as a group, and explained."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any, Callable

LOG_LIMIT = 4 * 1024 * 1024
TAIL = 4000


class FolderMissing(OSError):
    """The folder that a kernel is to start in is not there; `str()` of it is a sentence."""


class KernelProcess:
    """One life of a kernel."""

    def __init__(
        self, spec: dict[str, Any], folder: Path, sockets: str, ended: Callable[[KernelProcess], None]
    ) -> None:
        """Starts it; raises `FolderMissing` or another `OSError`. `ended` is called from another thread."""
        self.prefix = sockets
        self.exit_code: int | None = None
        self.killed_by_us = False
        self._log = folder / "kernel.log"
        self._memory_before = _out_of_memory_kills()
        connection = folder / "connection.json"
        _write_private(connection, json.dumps(_connection(spec, sockets)))
        self.process = subprocess.Popen(
            [part.replace("{connection_file}", str(connection)) for part in spec["argv"]],
            cwd=find_folder(spec.get("cwd")),
            env=_environment(spec.get("env") or {}),
            stdin=subprocess.DEVNULL,
            stdout=_open_log(self._log),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        threading.Thread(target=self._wait, args=(ended,), daemon=True, name="kernel-wait").start()

    @property
    def is_alive(self) -> bool:
        return self.exit_code is None

    def send_signal(self, number: int) -> None:
        """To the whole group, so that what a cell started gets it too."""
        if number in (signal.SIGKILL, signal.SIGTERM):
            self.killed_by_us = True
        if self.is_alive:
            try:
                os.killpg(self.process.pid, number)
            except (ProcessLookupError, PermissionError):
                # It has just ended, or it belongs to somebody else by now.
                return

    def cause(self) -> str:
        """One sentence on why it ended."""
        code = self.exit_code
        if code is None:
            return ""
        if code < 0 and self.killed_by_us:
            return "The kernel was stopped."
        if code == -signal.SIGKILL:
            before, now = self._memory_before, _out_of_memory_kills()
            if before is not None and now is not None and now > before:
                return "The kernel was killed because the machine (or its container) ran out of memory."
            return "The kernel was killed by signal 9, most likely because the machine ran out of memory."
        if code < 0:
            name = signal.Signals(-code).name if -code in list(signal.Signals) else str(-code)
            return f"The kernel was ended by {name}."
        if code:
            return f"The kernel ended with exit status {code}."
        return "The kernel ended."

    def advice(self) -> str:
        """What to do about that, where anything can be said."""
        if self.exit_code == -signal.SIGKILL:
            return "If it was memory: load less at once, or take a machine with more."
        return ""

    def log_tail(self) -> str:
        return tail(self._log)

    def _wait(self, ended: Callable[[KernelProcess], None]) -> None:
        self.exit_code = self.process.wait()
        ended(self)


def tail(path: Path, size: int = TAIL) -> str:
    """The end of a log."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - size))
            return file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _connection(spec: dict[str, Any], sockets: str) -> dict[str, Any]:
    ports = {name + "_port": number for number, name in enumerate(("shell", "iopub", "stdin", "control", "hb"), 1)}
    return {
        "transport": "ipc",
        "ip": sockets,
        "key": spec["key"],
        "signature_scheme": spec.get("signature_scheme", "hmac-sha256"),
        "kernel_name": spec.get("kernel_name", ""),
        **ports,
    }


def _environment(wanted: dict[str, str]) -> dict[str, str]:
    """The machine's own, without what belongs to some Jupyter server there, and what the profile adds."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("JPY_", "JUPYTERHUB_"))}
    # ipykernel ends when this process is no longer its parent: without its keeper nobody could ever reach it.
    # debugpy's advice about frozen modules would appear as output; it concerns the standard library only.
    ours = {"JPY_PARENT_PID": str(os.getpid()), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    return {**own, **ours, **wanted}


def find_folder(wanted: str | None) -> str:
    """Where a kernel starts: the folder that its profile names, seen from the user's home, or else that home."""
    home = os.path.expanduser("~")
    if not wanted:
        return home if os.path.isdir(home) else "/"
    path = os.path.join(home, os.path.expanduser(wanted))
    if not os.path.isdir(path):
        what = "is not a folder" if os.path.exists(path) else "does not exist"
        raise FolderMissing(f"The folder {path}, where this profile starts its kernels, {what} on the machine.")
    if not os.access(path, os.X_OK):
        raise FolderMissing(f"The folder {path}, where this profile starts its kernels, may not be entered there.")
    return path


def _open_log(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        flags |= os.O_TRUNC
    return os.open(path, flags, 0o600)


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w") as file:
        file.write(text)


def _out_of_memory_kills(root: str = "") -> int | None:
    """How often the kernel of the operating system has killed for memory in our control group, if it tells."""
    try:
        with open(root + "/proc/self/cgroup") as file:
            own = [line.strip().split("::", 1)[1] for line in file if "::" in line]
        with open(root + "/sys/fs/cgroup" + (own[0] if own else "") + "/memory.events") as file:
            counts = dict(line.split() for line in file)
        return int(counts["oom_kill"])
    except (OSError, KeyError, ValueError, IndexError):
        return None
