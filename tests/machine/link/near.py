"""A link in this process, to a machine that is this computer with whatever is wrong with it; the agent is real."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from unittest import mock

import psutil
from jupyter_client.asynchronous.client import AsyncKernelClient

from jupyter_gpu_bridge.machine.carriers import PipeDialer
from jupyter_gpu_bridge.machine.carriers.base import Dialer
from jupyter_gpu_bridge.machine.link.kernel import LinkedKernel
from jupyter_gpu_bridge.machine.link.link import Link
from jupyter_gpu_bridge.machine.link.places import socket_of
from jupyter_gpu_bridge.machine.link.record import KernelOrder
from jupyter_gpu_bridge.machine.link.service import Service
from jupyter_gpu_bridge.machine.link.target import Target
from tests.faults.processes import Role, alive, below

DEADLINE = 20.0
OWNER = "a test"


class Near:
    """A link and the folders of both ends."""

    def __init__(
        self,
        folder: Path,
        *,
        python: str | None = sys.executable,
        environment: Mapping[str, str] | None = None,
        limits: str = "",
        dialer: Dialer | None = None,
        home: Path | None = None,
    ) -> None:
        """`limits` is what a shell does before anything else happens on the machine, such as `ulimit`."""
        self.folder = folder
        self.far = folder / "far"
        self.far.mkdir()
        self.state = folder / "state"
        self.state.mkdir()
        self.said: list[tuple[str, str]] = []
        usual = {"HOME": str(self.far), "PATH": os.environ["PATH"], "IPYTHONDIR": str(self.far / "ipython")}
        shell = ("/bin/sh", "-c", f'{limits}\neval "$1"', "sh") if limits else ("/bin/sh", "-c")
        dialer = dialer or PipeDialer(shell, environment={**usual, **(environment or {})})
        self.home = home or self.far / "agent"
        Target("near", python=python, home=str(self.home)).save(self.state)
        self.python = python
        self.link = Link(self.state, lambda target, passphrase: dialer)

    def order(self, **more: object) -> KernelOrder:
        return KernelOrder.from_json(
            {"kernel_id": str(uuid.uuid4()), "key": uuid.uuid4().hex, "python": self.python, **more}
        )

    async def start(self, order: KernelOrder | None = None, owner: object = OWNER) -> LinkedKernel:
        return await self.link.start(order or self.order(), owner, self._report)

    def _report(self, name: str, text: str) -> None:
        self.said.append((name, text))

    def agents(self) -> list[int]:
        return alive(self.far, Role.AGENT)

    def keepers(self) -> list[int]:
        return alive(self.far, Role.KEEPER)

    def kernel_folders(self) -> Sequence[str]:
        found = self.home / "kernels"
        return os.listdir(found) if found.is_dir() else ()

    async def is_clean(self) -> None:
        """Until nothing is left of any kernel, here or there."""

        def left() -> list[object]:
            ours = self.state / "kernels"
            sockets = [each.name for each in (self.folder / "bridge" / "run").glob("*") if "link" not in each.name]
            return [*self.link.kernels(), *self.keepers(), *self.kernel_folders(), *ours.glob("*"), *sockets]

        give_up = asyncio.get_running_loop().time() + DEADLINE
        while found := await asyncio.to_thread(left):
            assert asyncio.get_running_loop().time() < give_up, found
            await asyncio.sleep(0.05)


@asynccontextmanager
async def near(**options: object) -> AsyncIterator[Near]:
    """At the end the link is closed and every process is ended."""
    folder = Path(tempfile.mkdtemp(prefix="gn-", dir="/tmp"))
    with mock.patch.dict(os.environ, {"JUPYTER_GPU_BRIDGE_HOME": str(folder / "bridge")}):
        world = Near(folder, **options)  # type: ignore[arg-type]
        caretaker = asyncio.ensure_future(world.link.look_after())
        try:
            await world.link.open()
            yield world
        finally:
            caretaker.cancel()
            await asyncio.gather(caretaker, return_exceptions=True)
            await world.link.close()
            for process in await asyncio.to_thread(below, world.far):
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def served(world: Near) -> AsyncIterator[Path]:
    """The link's private socket."""
    path = socket_of(world.state)
    service = Service(world.link)
    await service.open(path)
    try:
        yield path
    finally:
        await service.close()


@asynccontextmanager
async def client_of(kernel: LinkedKernel) -> AsyncIterator[AsyncKernelClient]:
    """Connected, and heard by the kernel on all channels."""
    client = AsyncKernelClient()
    client.load_connection_info(
        {
            "transport": "ipc",
            "ip": str(kernel.prefix),
            "key": kernel.order.key,
            "signature_scheme": kernel.order.signature_scheme,
            "shell_port": 1,
            "iopub_port": 2,
            "stdin_port": 3,
            "control_port": 4,
            "hb_port": 5,
        }
    )
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=DEADLINE)
        yield client
    finally:
        client.stop_channels()


async def printed(client: AsyncKernelClient, code: str, deadline: float = DEADLINE) -> str:
    """What a cell printed, to both streams."""
    said: list[str] = []

    def note(message: dict[str, object]) -> None:
        content = message["content"]
        if message["msg_type"] == "stream" and isinstance(content, dict):
            said.append(content["text"])

    await client.execute_interactive(code, output_hook=note, timeout=deadline)
    return "".join(said)
