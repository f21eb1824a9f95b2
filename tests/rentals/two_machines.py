"""Two machines behind SSH that a user may give the same name, one after the other, and what runs on which."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from unittest import mock

import psutil

from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.errors import HostKeyChanged, HostKeyUnknown
from jupyter_gpu_bridge.machine.link import KernelOrder, RunningKernel, links
from jupyter_gpu_bridge.machine.link.places import folder_of
from jupyter_gpu_bridge.model import CarrierChoice, Host, MachineRef
from tests.faults.processes import Role, alive, below, kill, until
from tests.own_home import variables
from tests.sshd import Sshd

BOX = MachineRef("ssh", "box")


class TwoMachines:
    """`first` and `second` each have a home of their own; the bridge's is a third."""

    def __init__(self, folder: Path, stack: ExitStack, carrier: CarrierChoice) -> None:
        self.folder = folder
        self.here = folder / "here"
        self.carrier = carrier
        self.bridge = Bridge()
        self.first, self.second = (
            stack.enter_context(Sshd(folder / f"sshd-{name}", environment=variables(folder / name)))
            for name in ("first", "second")
        )
        self.asked: list[str] = []
        """The fingerprints that somebody had to confirm."""

    def add(self, sshd: Sshd, **more: str | None) -> None:
        """The host `box`, from now on."""
        fields = {"user": sshd.user, "identity_file": str(sshd.identity), "python": sys.executable, **more}
        self.bridge.add_host(Host("box", "127.0.0.1", port=sshd.port, carrier=self.carrier, **fields))

    async def check(self, *owners: Sshd) -> list[str]:
        """Look at it, and confirm the keys of these only; the stages that were passed."""
        confirmed = [sshd.fingerprint for sshd in owners]

        def confirm(error: HostKeyUnknown | HostKeyChanged) -> bool:
            self.asked.append(error.details["fingerprint"])
            return error.details["fingerprint"] in confirmed

        return [stage.name async for stage in self.bridge.check_host("box", confirm=confirm)]

    async def start(self, machine: MachineRef = BOX) -> RunningKernel:
        order = KernelOrder.from_json({"kernel_id": str(uuid.uuid4()), "key": uuid.uuid4().hex, "survives": True})
        return await self.bridge.start_kernel(machine, order, lambda name, text: None)

    def home_of(self, kernel: RunningKernel) -> str:
        """On which of the two it runs."""
        return Path(process_of(kernel).environ()["HOME"]).name

    def links(self) -> Sequence[int]:
        return alive(self.here, Role.LINK)

    @property
    def log(self) -> str:
        return (folder_of(BOX) / "link.log").read_text()


def process_of(kernel: RunningKernel) -> psutil.Process:
    assert kernel.pid is not None
    return psutil.Process(kernel.pid)


@asynccontextmanager
async def two_machines(carrier: CarrierChoice) -> AsyncIterator[TwoMachines]:
    """At the end every process of it is gone."""
    folder = Path(tempfile.mkdtemp(prefix="gt-", dir="/tmp"))  # short: sockets are made below it
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.enter_context(mock.patch.dict(os.environ, variables(folder / "here")))
        os.environ.pop("JUPYTER_PATH", None)
        world = TwoMachines(folder, stack, carrier)
        try:
            yield world
        finally:
            await links().close()
            await asyncio.to_thread(kill, *world.links())
            for process in await asyncio.to_thread(below, folder):
                with contextlib.suppress(psutil.NoSuchProcess):
                    if process.pid != os.getpid() and not process.name().startswith("sshd"):
                        process.kill()
            await asyncio.to_thread(until, "all links were gone", lambda: not world.links())
