"""Another process that asks a cloud: `python -m tests.providers.asking ADDRESS KEY RATE TIMES`, once it hears a line.

Prints what became of each request, and how often it counted them alone.
"""

from __future__ import annotations

import asyncio
import sys

from jupyter_gpu_bridge.errors import CloudError
from jupyter_gpu_bridge.providers import metrics
from jupyter_gpu_bridge.providers.http import HttpClient


async def ask(address: str, key: str, rate: str, times: int) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    client = HttpClient("Acme", address, headers=headers, secrets=[key], trust_env=False, rate=rate)
    try:
        for _ in range(times):
            try:
                await client.read("/things")
            except CloudError as error:
                print(error)
            else:
                print("answered")
    finally:
        await client.close()


if __name__ == "__main__":
    print("here", flush=True)
    sys.stdin.readline()
    asyncio.run(ask(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
    alone = [line for line in metrics.exposed().decode().splitlines() if line.startswith("gpu_bridge_provider_limiter")]
    print("alone", *[line.split()[-1] for line in alone if "_total" in line])
