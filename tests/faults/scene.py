"""A machine behind SSH, weather in front of it, kernels on it, and every process in between within reach of a kill."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from unittest import mock

import psutil
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.errors import HostKeyChanged, HostKeyUnknown
from jupyter_gpu_bridge.machine.link.links import links
from jupyter_gpu_bridge.model import CarrierChoice, Host, MachineRef, Profile
from tests.compatibility.conversation import run
from tests.faults.processes import DEADLINE, Role, alive, below, kill, until
from tests.faults.weather import Weather
from tests.own_home import variables
from tests.sshd import Sshd, program

INSIDE = Path(__file__).parent / "inside"


class Scene:
    """While it is entered, this process's environment points into it; afterwards nothing of it is left."""

    def __init__(
        self, carrier: CarrierChoice, *, here: Mapping[str, str] | None = None, far: Mapping[str, str] | None = None
    ) -> None:
        """`here` and `far` are added to the environments of the two ends."""
        self.carrier = carrier
        self._here = dict(here or {})
        self._far = dict(far or {})
        self._stack = ExitStack()

    def __enter__(self) -> Scene:
        self.folder = Path(tempfile.mkdtemp(prefix="gf-", dir="/tmp"))  # short: sockets are made below it
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.here, self.far = self.folder / "here", self.folder / "far"
        self._stack.enter_context(mock.patch.dict(os.environ, {**variables(self.here), **self._here}))
        for name in ("JUPYTER_PATH", "PYTEST_CURRENT_TEST", "COVERAGE_PROCESS_START"):
            os.environ.pop(name, None)
        self.sshd = self._stack.enter_context(
            Sshd(self.folder / "sshd", environment={**variables(self.far), **self._far}, options=["MaxSessions 100"])
        )
        self.weather = self._stack.enter_context(Weather(self.sshd.port))
        self.machine = MachineRef("ssh", f"scene-{self.carrier}")
        self._add_host()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.clear_up()
            asyncio.run(links().close())  # or it would start another link
            if kind is None:
                kill(*self.links(), *self.agents())
                until("every process was gone", lambda: not self._left())
        finally:
            for each in self._left():
                with suppress(psutil.NoSuchProcess):
                    each.kill()
            self._stack.close()

    def clear_up(self) -> None:
        """Fair weather, and no kernel any more; for the next test."""
        if self.sshd.session_count() == 0:
            self.sshd.stop()
            self.sshd.start()
        self.weather.resume()
        until("no kernel and no keeper was left", lambda: not self.keepers() and not self.kernels())

    # processes -----------------------------------------------------------------------------------------------------

    def links(self) -> list[int]:
        return alive(self.here, Role.LINK)

    def agents(self) -> list[int]:
        return alive(self.far, Role.AGENT)

    def keepers(self) -> list[int]:
        return alive(self.far, Role.KEEPER)

    def kernels(self) -> list[int]:
        return alive(self.far, Role.KERNEL)

    # kernels -------------------------------------------------------------------------------------------------------

    @contextmanager
    def kernel(self) -> Iterator[Kernel]:
        """A running kernel, which is shut down at the end."""
        kernel = Kernel(f"gpu-bridge-{self.machine.name}")
        try:
            yield kernel
        finally:
            kernel.end()

    def _add_host(self) -> None:
        bridge = Bridge()
        name = self.machine.name
        bridge.add_host(
            Host(
                name=name,
                address="127.0.0.1",
                user=self.sshd.user,
                port=self.weather.proxy.port,
                identity_file=str(self.sshd.identity),
                python=sys.executable,
                carrier=self.carrier,
            )
        )
        asyncio.run(_confirm(bridge, name, _fingerprint(self.sshd.host_key)))
        bridge.add_profile(Profile(name, self.machine, python=sys.executable))

    def _left(self) -> list[psutil.Process]:
        return [each for each in below(self.folder) if each.pid != os.getpid() and not _is_sshd(each)]


class Kernel:
    """One kernel as a notebook has it."""

    def __init__(self, name: str) -> None:
        self.manager = KernelManager(kernel_name=name)
        self.manager.start_kernel()
        self._clients: list[BlockingKernelClient] = []
        self.client = self.new_client()
        self.pid = self.ask_pid()

    def new_client(self) -> BlockingKernelClient:
        """Ready: it has heard the kernel on all its channels."""
        client = self.manager.blocking_client()
        client.start_channels()
        self._clients.append(client)
        client.wait_for_ready(timeout=DEADLINE)
        run(client, "pass")
        return client

    def ask_pid(self) -> int:
        return int(run(self.client, "import os; print(os.getpid())").stdout)

    def end(self) -> None:
        for client in self._clients:
            client.stop_channels()
        if self.manager.has_kernel:
            self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()


async def _confirm(bridge: Bridge, host: str, expected: str) -> None:
    def confirm(key: HostKeyUnknown | HostKeyChanged) -> bool:
        return key.details["fingerprint"] in expected

    async for _ in bridge.check_host(host, confirm=confirm):
        pass


def _fingerprint(key: Path) -> str:
    command = [program("ssh-keygen"), "-l", "-E", "sha256", "-f", f"{key}.pub"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout


def _is_sshd(process: psutil.Process) -> bool:
    try:
        return str(process.name()).startswith("sshd")
    except psutil.Error:
        return True
