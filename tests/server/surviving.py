"""A provisioner whose kernels outlive their server: what the real one does by keeper and link, here by a note on disk.

Run as a program it is a Jupyter server with our extension, that provisioner, and a bridge that reads the same notes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase
from traitlets import Bool, Dict, Unicode

from jupyter_gpu_bridge import bridge as face
from jupyter_gpu_bridge.model import KernelId


def notes() -> Path:
    folder = Path(os.environ["SURVIVORS"])
    folder.mkdir(exist_ok=True)
    return folder


def is_running(pid: int) -> bool:
    """A dead child of a dead parent may stay in the table; it does not run."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Found:
    """A process that another server started."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        return None if is_running(self.pid) else 1

    wait = poll

    def send_signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class SurvivingProvisioner(LocalProvisioner):
    machine = Unicode()
    keep = Bool()
    environment = Dict()
    process: Any = None

    @property
    def note(self) -> Path:
        return notes() / f"{self.kernel_id}.json"

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        kernel: Any = self.parent
        if self.note.exists():
            # Left by the killed server; it would be taken for the new manager's own, with another key.
            Path(kernel.connection_file).unlink(missing_ok=True)
            return await KernelProvisionerBase.pre_launch(self, cmd=[], **kwargs)
        kwargs = await super().pre_launch(**kwargs)
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", kernel.connection_file]
        return {**kwargs, "cmd": ["env", "-u", "JPY_PARENT_PID", *command]}

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        if cmd:
            await super().launch_kernel(cmd, **kwargs)
            info: dict[str, Any] = {**self.connection_info}
            self.note.write_text(
                json.dumps({"pid": self.pid, "pgid": self.pgid, "info": {**info, "key": info["key"].decode()}})
            )
            return info
        found = json.loads(self.note.read_text())
        self.pid, self.pgid = found["pid"], found["pgid"]
        self.process = Found(found["pid"])
        return {**found["info"], "key": found["info"]["key"].encode()}


class NotedBridge(face.Bridge):
    async def surviving(self, kernel_id: KernelId) -> bool:
        await asyncio.sleep(0.5)  # a link takes its time, and the server must wait for it
        note = notes() / f"{kernel_id}.json"
        return note.exists() and is_running(json.loads(note.read_text())["pid"])


def register() -> None:
    entry = EntryPoint("gpu-bridge", f"tests.server.surviving:{SurvivingProvisioner.__name__}", "unused")
    KernelProvisionerFactory.instance().provisioners["gpu-bridge"] = entry


if __name__ == "__main__":
    from jupyter_server.serverapp import ServerApp

    register()
    face.Bridge = NotedBridge  # type: ignore[misc]
    ServerApp.launch_instance()
