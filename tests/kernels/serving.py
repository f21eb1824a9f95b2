"""The kernel manager of a real Jupyter server, and short ways to talk to its kernels."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from traitlets.config import Config, Configurable

from jupyter_gpu_bridge.server.leftovers import forget_failed_starts

DEADLINE = 30.0


class Server(AsyncMappingKernelManager):
    """As a Jupyter server makes it, with `parent` in the place of the server."""

    def __init__(self, folder: Path, config: Config | None = None) -> None:
        initialize: Any = super().__init__
        initialize(parent=Configurable(config=config or Config()), connection_dir=str(folder), root_dir=str(folder))

    async def start(self, name: str = "gpu-bridge-here", **options: Any) -> str:
        return str(await asyncio.wait_for(self.start_kernel(kernel_name=name, **options), 60))

    async def stop(self, kernel_id: str, *, now: bool = False) -> None:
        shutdown: Any = self.shutdown_kernel
        await shutdown(kernel_id, now=now)

    def manager(self, kernel_id: str) -> Any:
        return self.get_kernel(kernel_id)

    def provisioner(self, kernel_id: str) -> Any:
        return self.manager(kernel_id).provisioner

    def is_lost(self, kernel_id: str) -> bool:
        """Its machine cannot be reached, and its provisioner knows it."""
        return not self.provisioner(kernel_id)._kernel.is_reachable

    def on(self, event: str, kernel_id: str, callback: Callable[[], object]) -> None:
        add: Any = self.add_restart_callback
        add(kernel_id, callback, event)

    async def close(self) -> None:
        everything: Any = self
        starting = list(everything._pending_kernels.values())
        if starting:  # a start that has just failed is not over before its task is
            await asyncio.wait(starting, timeout=DEADLINE)
        forget_failed_starts(everything)
        await everything.shutdown_all(now=True)
        everything.context.destroy(linger=0)

    @asynccontextmanager
    async def client(self, kernel_id: str) -> AsyncIterator[AsyncKernelClient]:
        """One that has just connected, and is ready."""
        client: Any = self.manager(kernel_id).client()
        client.start_channels(hb=False)
        try:
            await client.wait_for_ready(timeout=DEADLINE)
            yield client
        finally:
            client.stop_channels()

    async def run(self, kernel_id: str, code: str) -> str:
        """What a cell prints, or the error it ends with."""
        async with self.client(kernel_id) as client:
            return await said(client, code)


def alone(name: str = "gpu-bridge-here") -> Any:
    """A kernel manager without a server, as scripts have it."""
    return AsyncKernelManager(kernel_name=name)


async def said(client: Any, code: str) -> str:
    """What a cell prints, or the error it ends with."""
    heard: list[str] = []

    def hear(message: dict[str, Any]) -> None:
        content = message["content"]
        heard.append(content.get("text") or content.get("ename") or "")

    await client.execute_interactive(code, output_hook=hear, timeout=DEADLINE)
    return "".join(heard)
