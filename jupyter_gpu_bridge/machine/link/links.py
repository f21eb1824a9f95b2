"""All links that this process talks to, on a thread with an event loop of its own.

Front ends live on all sorts of loops, some of them one after another (a console runs each call on another one), so
nothing that waits may belong to theirs.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from jupyter_gpu_bridge.machine.link.client import LinkClient
from jupyter_gpu_bridge.machine.link.record import KernelOrder
from jupyter_gpu_bridge.machine.link.target import Target
from jupyter_gpu_bridge.model import KernelId, MachineRef

T = TypeVar("T")
Report = Callable[[str, str], None]


class RunningKernel:
    """A kernel that this process started or attached to; what is known of it is kept fresh by its link's news."""

    def __init__(self, machine: MachineRef, view: dict[str, Any]) -> None:
        self.machine = machine
        self.is_detached = False
        """Its server exits and leaves it running."""
        self.kernel_id = KernelId(view["kernel_id"])
        self.ended = asyncio.Event()
        self.update(view)

    def update(self, view: dict[str, Any]) -> None:
        """After a start or restart."""
        self.prefix = str(view["prefix"])
        self.key = str(view["key"])
        self.signature_scheme = str(view["signature_scheme"])
        self.pid: int | None = view["pid"]
        self.life = int(view["life"])
        self.exit_code: int | None = view["exit_code"]
        self.cause = str(view["cause"])
        self.is_reachable = view["state"] != "unreachable"
        if self.exit_code is None:
            self.ended.clear()

    def hear(self, kernels: dict[str, dict[str, Any]]) -> None:
        self._note(kernels)
        if self.exit_code is not None:
            self.ended.set()

    def _note(self, kernels: dict[str, dict[str, Any]]) -> None:
        brief = kernels.get(self.kernel_id)
        if brief is None:
            self.exit_code = self.exit_code if self.exit_code is not None else -15
            self.cause = self.cause or "The kernel was stopped."
            return
        self.is_reachable = brief["state"] != "unreachable"
        if brief["life"] >= self.life:
            self.exit_code = brief["exit_code"]
            self.cause = str(brief["cause"])


class Links:
    """One per process; see `links()`."""

    def __init__(self) -> None:
        self._clients: dict[MachineRef, LinkClient] = {}
        self._kernels: dict[KernelId, RunningKernel] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="gpu-bridge")
        self._thread.start()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do this on our own loop, and wait for it on the caller's; cancelling goes through."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def close(self) -> None:
        """Leave every link; kernels of scripts end, those of servers go on. Nothing can be asked afterwards."""
        await self.run(self._leave())
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join)
        self._loop.close()

    # on our own loop -----------------------------------------------------------------------------------------------

    async def start(self, machine: MachineRef, target: Target, order: KernelOrder, report: Report) -> RunningKernel:
        """Start a kernel on the machine, or attach to the one of that id which nobody has."""
        client = await self._client(machine, target)
        view = await client.ask("start", order=order.as_json(), report=report)
        kernel = RunningKernel(machine, view)
        self._kernels[kernel.kernel_id] = kernel
        client.claims.add(kernel.kernel_id)
        return kernel

    async def relaunch(self, kernel: RunningKernel, target: Target, order: KernelOrder, report: Report) -> None:
        client = await self._client(kernel.machine, target)
        kernel.update(await client.ask("relaunch", order=order.as_json(), report=report))
        self._kernels[kernel.kernel_id] = kernel
        client.claims.add(kernel.kernel_id)

    async def until_ended(self, kernel: RunningKernel) -> None:
        await kernel.ended.wait()

    async def signal(self, kernel: RunningKernel, number: int) -> None:
        client = self._clients[kernel.machine]
        await client.ask("signal", kernel_id=kernel.kernel_id, signal=number)

    async def stop(self, kernel: RunningKernel) -> bool:
        """End it for good; whether the machine has confirmed that already."""
        answer = await self._clients[kernel.machine].ask("stop", kernel_id=kernel.kernel_id)
        self.forget(kernel)
        return bool(answer["confirmed"])

    async def hold(self, kernel_ids: Sequence[KernelId]) -> None:
        """These go on without us: their link keeps our shutdown from them."""
        for kernel_id in kernel_ids:
            kernel = self._kernels.get(kernel_id)
            if kernel is not None:
                await self._clients[kernel.machine].ask("hold", kernel_id=kernel_id)
                kernel.is_detached = True

    def forget(self, kernel: RunningKernel) -> None:
        """This process has nothing more to do with it."""
        self._kernels.pop(kernel.kernel_id, None)
        if kernel.machine in self._clients:
            self._clients[kernel.machine].claims.discard(kernel.kernel_id)

    async def ask(
        self, machine: MachineRef, target: Target | None, verb: str, report: Report = lambda n, t: None, **more: Any
    ) -> Any:
        """One question on a connection of its own; without a target only a link that is there already is asked."""
        client = LinkClient(machine)
        try:
            await client.connect(target)
            return await client.ask(verb, report=report, **more)
        finally:
            await client.close()

    async def _leave(self) -> None:
        for client in self._clients.values():
            await client.close()

    async def _client(self, machine: MachineRef, target: Target) -> LinkClient:
        client = self._clients.get(machine)
        if client is None:
            client = LinkClient(machine, self._heard)
            self._clients[machine] = client
        await client.connect(target)
        return client

    def _heard(self, news: dict[str, Any]) -> None:
        machine = news["machine"]
        for kernel in list(self._kernels.values()):
            if str(kernel.machine) == machine:
                kernel.hear(news["kernels"])


@functools.cache
def links() -> Links:
    """The links of this process; nothing runs before the first call."""
    return Links()
