"""The keepers of this machine: found by their folders, started in the kernel's own Python."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from jupyter_gpu_bridge.agent import environment
from jupyter_gpu_bridge.agent.kernel_process import FolderMissing, find_folder, tail
from jupyter_gpu_bridge.agent.mux import Refusal
from jupyter_gpu_bridge.agent.places import kernel_sockets, kernels_folder, private_folder

_PATIENCE = 30.0
_BURIAL_PATIENCE = 10.0
"""A keeper that is to end must see its kernel born before it can end it: that takes a while on a busy machine."""


class Kernels:
    """Starts, finds and lists keepers; owns none of them."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._children: list[subprocess.Popen[bytes]] = []
        self._burials: dict[str, asyncio.Task[None]] = {}

    def folder(self, kernel_id: str) -> Path:
        if not _is_kernel_id(kernel_id):
            raise Refusal("bad-request", "That is no kernel id.")
        return kernels_folder(self._home) / kernel_id

    def connect(self, kernel_id: str) -> socket.socket:
        """A connection to the keeper; refuses when it is gone."""
        self.folder(kernel_id)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            connection.connect(kernel_sockets(self._home, kernel_id) + "keeper")
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            raise Refusal("kernel-unknown", "The machine no longer runs this kernel.") from None
        except OSError as error:
            connection.close()
            raise Refusal(
                "kernel-busy", f"The kernel's keeper does not answer ({error.strerror}).", "Try again in a moment."
            ) from None
        return connection

    async def start(self, spec: dict[str, Any], report: environment.Report) -> dict[str, Any]:
        """Start a keeper (which starts the kernel); refuses when the machine cannot."""
        self.reap()
        kernel_id = str(spec["kernel_id"])
        folder = self.folder(kernel_id)
        if kernel_id in self._burials:
            await asyncio.wait([self._burials[kernel_id]])
        if self._is_there(kernel_id):
            raise Refusal("kernel-taken", "A kernel of this id already runs on the machine.")
        self._sweep(kernel_id)
        _look_for(spec.get("cwd"))
        python = await environment.choose(self._home, spec.get("python"), report)
        try:
            self._write_spec(folder, {**spec, "argv": spec.get("argv") or _default_argv(python, spec)}, kernel_id)
            process = self._spawn(python, folder)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise Refusal(
                "machine-unfit",
                f"Nothing could be written in {self._home} on the machine: {error.strerror}.",
                "Free some space there, or allow writing.",
            ) from None
        try:
            await self._until_there(process, kernel_id, folder)
        except asyncio.CancelledError:
            self._burials[kernel_id] = asyncio.get_running_loop().create_task(self._bury(process, kernel_id))
            raise
        return {"python": python, "keeper": process.pid}

    async def list(self) -> list[dict[str, Any]]:
        found = []
        root = kernels_folder(self._home)
        for folder in sorted(root.iterdir()) if root.is_dir() else ():
            status = await self._status(folder.name)
            if status is not None:
                found.append(status)
        return found

    async def stop(self, kernel_id: str) -> dict[str, Any]:
        """End a kernel for whoever may not know its keeper's lanes; returns when it is gone."""
        connection = self.connect(kernel_id)
        connection.sendall(b'{"lane": "stop"}\n')
        give_up = time.monotonic() + _PATIENCE
        while time.monotonic() < give_up:
            if not self._is_there(kernel_id):
                break
            await asyncio.sleep(0.05)
        connection.close()
        return {}

    def any_alive(self) -> bool:
        root = kernels_folder(self._home)
        return any(self._is_there(folder.name) for folder in (root.iterdir() if root.is_dir() else ()))

    def sweep_dead(self) -> None:
        """Clear away what keepers have left that were killed, with the machine perhaps; not of one that is starting."""
        root = kernels_folder(self._home)
        for folder in root.iterdir() if root.is_dir() else ():
            is_old = time.time() - _changed(folder) > 2 * _PATIENCE
            if is_old and _is_kernel_id(folder.name) and not self._is_there(folder.name):
                self._sweep(folder.name)

    def reap(self) -> None:
        self._children = [child for child in self._children if child.poll() is None]

    def _is_there(self, kernel_id: str) -> bool:
        """Whether a keeper of this id runs, however busy it is."""
        try:
            self.connect(kernel_id).close()
        except Refusal as refusal:
            return refusal.reason["code"] == "kernel-busy"
        return True

    async def _bury(self, process: subprocess.Popen[bytes], kernel_id: str) -> None:
        """End a keeper that nobody waits for any more, and what it may not have tidied itself."""
        process.terminate()
        give_up = time.monotonic() + _BURIAL_PATIENCE
        while process.poll() is None:
            if time.monotonic() > give_up:
                process.kill()
            await asyncio.sleep(0.02)
        self._sweep(kernel_id)
        del self._burials[kernel_id]

    def _write_spec(self, folder: Path, spec: dict[str, Any], kernel_id: str) -> None:
        private_folder(kernels_folder(self._home))
        folder.mkdir(mode=0o700)
        spec = {**spec, "sockets": kernel_sockets(self._home, kernel_id), "started": time.time()}
        with open(os.open(folder / "spec.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(spec, file)

    def _spawn(self, python: str, folder: Path) -> subprocess.Popen[bytes]:
        code = Path(__file__).resolve().parents[2]
        with open(folder / "keeper.log", "ab") as log:
            process = subprocess.Popen(
                [python, str(code / "jupyter_gpu_bridge" / "agent" / "run.py"), "keeper", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        self._children.append(process)
        return process

    async def _until_there(self, process: subprocess.Popen[bytes], kernel_id: str, folder: Path) -> None:
        give_up = time.monotonic() + _PATIENCE
        while time.monotonic() < give_up:
            if self._is_there(kernel_id):
                return
            if process.poll() is not None:
                said = tail(folder / "keeper.log", 1500).strip()
                self._sweep(kernel_id)
                raise Refusal("kernel-failed", f"The kernel's keeper ended at once: {_last_line(said)}")
            await asyncio.sleep(0.005)
        process.kill()
        self._sweep(kernel_id)
        raise Refusal("kernel-failed", f"The kernel's keeper did not come up in {_PATIENCE:.0f} seconds.")

    async def _status(self, kernel_id: str) -> dict[str, Any] | None:
        try:
            connection = self.connect(kernel_id)
        except Refusal:
            return None
        reader, writer = await asyncio.open_unix_connection(sock=connection)
        try:
            writer.write(b'{"lane": "status"}\n')
            line = await asyncio.wait_for(reader.readline(), 5.0)
            status: dict[str, Any] = json.loads(line)
            return status
        except (asyncio.TimeoutError, ValueError, ConnectionError):
            return None
        finally:
            writer.close()

    def _sweep(self, kernel_id: str) -> None:
        prefix = Path(kernel_sockets(self._home, kernel_id))
        for path in prefix.parent.glob(prefix.name + "*"):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.folder(kernel_id), ignore_errors=True)


def _changed(folder: Path) -> float:
    """When; now, if its keeper has just cleared it away."""
    try:
        return folder.lstat().st_mtime
    except FileNotFoundError:
        return time.time()


def _is_kernel_id(name: str) -> bool:
    return name.replace("-", "").isalnum() and len(name) <= 64


def _look_for(folder: str | None) -> None:
    """Before anything is prepared, so that nobody waits for that in vain."""
    try:
        find_folder(folder)
    except FolderMissing as missing:
        raise Refusal(
            "machine-unfit",
            str(missing),
            "Make it there, or name another one with `--folder PATH` of `jupyter gpu profiles add`.",
        ) from None


def _default_argv(python: str, spec: dict[str, Any]) -> list[str]:
    launch = Path(__file__).with_name("launch.py")
    return [python, str(launch), "-f", "{connection_file}", *spec.get("extra_arguments", ())]


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing."
