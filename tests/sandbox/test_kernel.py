"""The whole house on a rented machine: a kernel through link, agent and keeper, and the end of all of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from jupyter_client.manager import AsyncKernelManager

from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.machine.carriers import HostKey, pin
from jupyter_gpu_bridge.model import CarrierChoice, Host, MachineRef, Profile
from tests.kernels.home import Home, entered
from tests.sandbox.cloud import SandboxCloud, account, lives, rent, until
from tests.sshd import public_half

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120), pytest.mark.needs("ssh", "ssh-keygen")]


@pytest.fixture
def home() -> Iterator[Home]:
    with entered() as home:
        yield home


@pytest.mark.parametrize("carrier", ["openssh", "paramiko"])
async def test_a_kernel_runs_on_a_rented_machine_and_ends_with_it(
    cloud: SandboxCloud, home: Home, carrier: CarrierChoice
) -> None:
    async with account(cloud) as provider:
        box = await rent(cloud, provider)
        pin(home.bridge / "known_hosts", box.seen.address, box.seen.port, HostKey.parse(public_half(cloud.host_key)))
        host = Host(
            "rented", box.seen.address, box.seen.user, box.seen.port, str(cloud.identity), carrier=carrier
        )  # its own python3 has what a kernel needs
        Bridge().add_host(host)
        Bridge().add_profile(Profile("rented", MachineRef("ssh", "rented")))
        manager = AsyncKernelManager(kernel_name="gpu-bridge-rented")
        await manager.start_kernel()
        client = manager.client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=30)
            said: list[str] = []
            code = "import os; print(os.getcwd(), os.environ['SANDBOX_MACHINE_ID'], os.getpid())"
            reply = await client.execute_interactive(
                code, timeout=30, output_hook=lambda message: said.append(message["content"].get("text", ""))
            )
            assert reply["content"]["status"] == "ok"
            folder, machine, pid = "".join(said).split()
            assert (folder, machine) == (str(box.home), box.ref)
            running = cloud.truth(box.ref)["pids"]
            assert int(pid) in running
            assert len(running) >= 4  # the machine, its agent, a keeper, the kernel
            await provider.destroy(box.ref)
            assert not any(lives(each) for each in running)
        finally:
            client.stop_channels()
            await asyncio.wait_for(manager.shutdown_kernel(now=True), 30)
        await until(lambda: not box.folder.exists())
