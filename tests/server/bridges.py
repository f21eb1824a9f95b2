"""A bridge without machines, to see what the server asks of it and what it makes of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.errors import BridgeError, KernelUnknown
from jupyter_gpu_bridge.model import KernelId, KernelView, MachineView


@dataclass
class ScriptedBridge(Bridge):
    """Profiles and hosts are real; machines and kernels are what the test says."""

    views: Sequence[MachineView] = ()
    trouble: BridgeError | Exception | None = None
    alive: dict[str, bool | Exception] = field(default_factory=dict)
    left: list[Sequence[KernelId]] = field(default_factory=list)
    stopped: list[KernelId] = field(default_factory=list)

    async def machines(self) -> Sequence[MachineView]:
        if self.trouble:
            raise self.trouble
        return self.views

    async def kernels(self, *, wake: bool = False) -> Sequence[KernelView]:
        return [kernel for view in await self.machines() for kernel in view.kernels]

    async def stop_kernel(self, kernel_id: KernelId) -> None:
        await self._known(kernel_id)
        self.stopped.append(kernel_id)

    async def kernel_log(self, kernel_id: KernelId) -> str:
        await self._known(kernel_id)
        return "it said this\n"

    async def surviving(self, kernel_id: KernelId) -> bool:
        answer = self.alive.get(kernel_id, False)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def server_exits(self, kernel_ids: Sequence[KernelId]) -> None:
        if self.trouble:
            raise self.trouble
        self.left.append(kernel_ids)

    async def _known(self, kernel_id: KernelId) -> None:
        if kernel_id not in {kernel.kernel_id for kernel in await self.kernels()}:
            raise KernelUnknown(f"There is no kernel {kernel_id!r}.", advice="Look at: jupyter gpu kernels")
