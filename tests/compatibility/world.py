"""A world of its own: a home, an sshd and one kernelspec per kind of kernel, so that all kinds can be treated alike."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.machine.link import links
from jupyter_gpu_bridge.model import CarrierChoice, Host, MachineRef, Profile
from tests.compatibility import plain_ssh
from tests.own_home import variables
from tests.processes import end_processes, living_below
from tests.sshd import Sshd, program

REPOSITORY = Path(__file__).resolve().parents[2]

SSHPYK_PYTHON = REPOSITORY / ".peers" / "sshpyk" / "bin" / "python"


class Kind(Enum):
    """How a kernel is reached; the values of ours are the names of their kernelspecs."""

    LOCAL = "local"
    SSH_L = "ssh-L"
    SSHPYK = "sshpyk"
    OURS_OPENSSH = "gpu-bridge-openssh"
    OURS_PARAMIKO = "gpu-bridge-paramiko"
    OURS_LOCAL = "gpu-bridge-local"

    @property
    def is_ours(self) -> bool:
        return self.value.startswith("gpu-bridge-")

    @property
    def uses_ssh(self) -> bool:
        return self not in (Kind.LOCAL, Kind.OURS_LOCAL)


_CARRIERS: dict[Kind, CarrierChoice] = {Kind.OURS_OPENSSH: "openssh", Kind.OURS_PARAMIKO: "paramiko"}


class World:
    """While it is entered, this process's environment points into it; afterwards nothing of it is left.

    Machines are reached through `port`; set it to a proxy's port before asking for the first kernel name.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._names: dict[Kind, str] = {}

    def __enter__(self) -> World:
        # Short, because Unix sockets are made below it.
        self.folder = Path(tempfile.mkdtemp(prefix="gb-", dir="/tmp"))
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self._stack.enter_context(_environment(variables(self.folder / "here")))
        self.sshd = self._stack.enter_context(
            Sshd(self.folder / "sshd", environment=variables(self.folder / "far"), options=["MaxSessions 100"])
        )
        self.port = self.sshd.port
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run(links().close())  # or it would start another link
        self.disconnect(Kind.SSHPYK)  # its master has left our environment behind
        for _ in range(_ROUNDS):
            if not (left := self.processes()):
                break
            end_processes(left)
        self._stack.close()

    def kernel_name(self, kind: Kind) -> str:
        """The name to start a kernel of this kind by; what it needs is set up the first time."""
        if kind not in self._names:
            self._names[kind] = self._set_up(kind)
        return self._names[kind]

    def disconnect(self, kind: Kind) -> None:
        """End whatever this side keeps open to the machine, so that the next start is a cold one."""
        if kind is Kind.SSHPYK:
            subprocess.run(
                ["ssh", "-F", str(self._ssh_config), "-O", "exit", _SHARED_ALIAS],
                stderr=subprocess.DEVNULL,
                timeout=10,
                check=False,
            )
        elif kind.is_ours:
            asyncio.run(_end_link(self.machine(kind)))

    def processes(self) -> Sequence[psutil.Process]:
        """All that live in this world by their environment, at both ends, whoever started them."""
        return living_below(self.folder)

    def machine(self, kind: Kind) -> MachineRef:
        """Under what name we know the machine of a kernel of ours."""
        return MachineRef("local") if kind is Kind.OURS_LOCAL else MachineRef("ssh", _CARRIERS[kind])

    def _set_up(self, kind: Kind) -> str:
        if kind is Kind.LOCAL:
            return "python3"
        if kind is Kind.SSH_L:
            plain_ssh.register()
            config = {"ssh_config": str(self._ssh_config), "alias": _ALIAS, "python": sys.executable}
            return self._write_spec("plain-ssh", plain_ssh.NAME, config)
        if kind is Kind.SSHPYK:
            far: dict[str, Any] = {
                "ssh_config": str(self._ssh_config),
                "ssh_host_alias": _SHARED_ALIAS,
                "remote_python": sys.executable,
                "remote_kernel_name": "python3",
            }
            return self._write_spec("sshpyk", "sshpyk-provisioner", far)
        return self._add_profile(kind)

    def _write_spec(self, name: str, provisioner: str, config: dict[str, Any]) -> str:
        folder = Path(os.environ["JUPYTER_DATA_DIR"]) / "kernels" / name
        folder.mkdir(parents=True)
        spec = {
            "argv": [],
            "display_name": name,
            "language": "python",
            "interrupt_mode": "message",
            "metadata": {"kernel_provisioner": {"provisioner_name": provisioner, "config": config}},
        }
        (folder / "kernel.json").write_text(json.dumps(spec))
        return name

    @property
    def _ssh_config(self) -> Path:
        path = self.folder / "ssh_config"
        if not path.exists():
            self.sshd.ssh_config(path, _ALIAS, port=self.port, also=["BatchMode yes", "LogLevel ERROR"])
            shared = ["BatchMode yes", "ControlMaster auto", "ControlPersist 10m", f"ControlPath {self.folder}/cm-%p"]
            patient = ["ServerAliveInterval 5", "ServerAliveCountMax 120000", "ConnectTimeout 5"]  # as sshpyk advises
            self.sshd.ssh_config(path, _SHARED_ALIAS, port=self.port, also=[*shared, *patient])
        return path

    def _add_profile(self, kind: Kind) -> str:
        bridge = Bridge()
        machine = self.machine(kind)
        if kind is not Kind.OURS_LOCAL:
            bridge.add_host(
                Host(
                    name=machine.name,
                    address="127.0.0.1",
                    user=self.sshd.user,
                    port=self.port,
                    identity_file=str(self.sshd.identity),
                    python=sys.executable,
                    carrier=_CARRIERS[kind],
                )
            )
            asyncio.run(_confirm(bridge, machine.name, _fingerprint(self.sshd.host_key)))
        bridge.add_profile(Profile(kind.value.removeprefix("gpu-bridge-"), machine, python=sys.executable))
        return kind.value


_ROUNDS = 5
"""One that is being ended may have started another."""

_ALIAS = "far"
_SHARED_ALIAS = "far-shared"


async def _end_link(machine: MachineRef) -> None:
    """Returns when the process is gone; a machine without one is left alone."""
    try:
        status = await links().run(links().ask(machine, None, "status"))
        await links().run(links().ask(machine, None, "end"))
    except BridgeError:
        return
    psutil.wait_procs([psutil.Process(status["pid"])], timeout=10)


async def _confirm(bridge: Bridge, host: str, expected: str) -> None:
    """First contact, with the fingerprint compared as a careful user would."""
    async for _ in bridge.check_host(host, confirm=lambda key: key.details["fingerprint"] in expected):
        pass


def _fingerprint(key: Path) -> str:
    command = [program("ssh-keygen"), "-l", "-E", "sha256", "-f", f"{key}.pub"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """These alone are put back: pytest has variables of its own there, which change meanwhile."""
    wanted: dict[str, str | None] = {**values, "JUPYTER_PATH": None}
    before = {name: os.environ.get(name) for name in wanted}
    _put(wanted)
    try:
        yield
    finally:
        _put(before)


def _put(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
