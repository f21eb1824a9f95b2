"""Starts the kernel of a profile, says which process it is on the machine, and stays until it is killed."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from jupyter_client.manager import AsyncKernelManager


async def main(profile: str) -> None:
    manager = AsyncKernelManager(kernel_name=f"gpu-bridge-{profile}")
    await manager.start_kernel()
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=60)

    def say(message: dict[str, Any]) -> None:
        if message["msg_type"] == "stream":
            print(message["content"]["text"], end="", flush=True)

    await client.execute_interactive("import os; print(os.getpid())", timeout=60, output_hook=say)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
