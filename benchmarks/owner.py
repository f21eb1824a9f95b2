"""The process that owns the kernels of one kind, as a Jupyter server would: it starts, interrupts and restarts them.

Run by that kind's own Python and needing nothing but jupyter_client, so that a peer can live in an environment of its
own and all kinds are treated alike. One JSON object per line comes in, one goes out; what kernels say goes to stderr.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from jupyter_client.ioloop.manager import AsyncIOLoopKernelManager


class Owned:
    """One kernel, with the restarter that a server gives it."""

    def __init__(self, kernel_name: str) -> None:
        self.manager = AsyncIOLoopKernelManager(kernel_name=kernel_name)
        self.restarts = 0
        self.deaths = 0

    async def start(self, cwd: str) -> None:
        self.manager.connection_file = str(
            Path(os.environ["JUPYTER_RUNTIME_DIR"]) / f"kernel-{os.urandom(8).hex()}.json"
        )
        await self.manager.start_kernel(cwd=cwd)
        self.manager.add_restart_callback(self._count_restart, "restart")
        self.manager.add_restart_callback(self._count_death, "dead")

    def _count_restart(self) -> None:
        self.restarts += 1

    def _count_death(self) -> None:
        self.deaths += 1

    async def obey(self, verb: str) -> dict[str, Any]:
        if verb == "interrupt":
            await self.manager.interrupt_kernel()
        elif verb == "restart":
            await self.manager.restart_kernel()
        elif verb == "shutdown":
            await self.manager.shutdown_kernel()
        elif verb == "kill":
            await self.manager.shutdown_kernel(now=True)
        elif verb != "state":
            raise ValueError(f"{verb} is no verb")
        return {
            "connection_file": self.manager.connection_file,
            "kernel_id": self.manager.kernel_id,
            "restarts": self.restarts,
            "deaths": self.deaths,
        }


async def serve(registrars: list[str]) -> None:
    for module in registrars:
        import_module(module).register()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    requests = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(requests), sys.stdin)
    kernels: dict[int, Owned] = {}
    while line := await requests.readline():
        asked = json.loads(line)
        try:
            if asked["verb"] == "start":
                kernel = Owned(asked["name"])
                await kernel.start(asked["cwd"])
                kernels[asked["kernel"]] = kernel
                answer = await kernel.obey("state")
            else:
                answer = await kernels[asked["kernel"]].obey(asked["verb"])
        except Exception as error:  # it is told to whoever asked
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
    await asyncio.gather(
        *(kernel.manager.shutdown_kernel(now=True) for kernel in kernels.values() if kernel.manager.has_kernel)
    )


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1:]))
