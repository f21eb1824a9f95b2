"""The ssh-agent of the login session in which a link was started goes; the link goes on with that of the next one."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jupyter_gpu_bridge.machine.link import RunningKernel
from jupyter_gpu_bridge.model import CarrierChoice
from tests.faults.processes import DEADLINE, until
from tests.rentals.two_machines import TwoMachines, two_machines
from tests.sshd import program

pytestmark = [pytest.mark.timeout(90), pytest.mark.parametrize("carrier", ["openssh", "paramiko"])]


@contextmanager
def ssh_agent(socket: Path, key: Path) -> Iterator[None]:
    """It holds the key and listens there; killed without a chance to take its socket away."""
    process = subprocess.Popen(
        [program("ssh-agent"), "-D", "-a", str(socket)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        until("the ssh-agent listens", socket.exists)
        subprocess.run(
            [program("ssh-add"), "-q", str(key)], env={"SSH_AUTH_SOCK": str(socket)}, check=True, timeout=DEADLINE
        )
        yield
    finally:
        process.kill()
        process.wait(DEADLINE)


@pytest.mark.parametrize("order", ["before the cut", "after it"])
def test_a_link_finds_the_agent_of_whoever_talks_to_it(
    carrier: CarrierChoice, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(_outlive_an_agent(carrier, order, monkeypatch))


async def _outlive_an_agent(carrier: CarrierChoice, order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with two_machines(carrier) as world:
        sshd = world.first
        first, second = world.folder / "agent-1", world.folder / "agent-2"
        with ssh_agent(first, sshd.identity):
            monkeypatch.setenv("SSH_AUTH_SOCK", str(first))
            world.add(sshd, identity_file=None)
            await world.check(sshd)
            kernel = await world.start()
        logins = _logins(world)
        with ssh_agent(second, sshd.identity):
            if order == "before the cut":
                monkeypatch.setenv("SSH_AUTH_SOCK", str(second))
                await _state(world, kernel)
                await asyncio.to_thread(sshd.cut_sessions)
                await asyncio.wait_for(_until_idle_after(logins, world, kernel), DEADLINE)
            else:
                await asyncio.to_thread(sshd.cut_sessions)
                await asyncio.to_thread(until, "the old agent was tried", lambda: _refusals(world) > 0)
                monkeypatch.setenv("SSH_AUTH_SOCK", str(second))
                await asyncio.wait_for(_until_idle_after(logins, world, kernel), 10)
            assert await world.bridge.release_kernel(kernel)


async def _state(world: TwoMachines, kernel: RunningKernel) -> str:
    (view,) = await world.bridge.kernels()
    assert view.kernel_id == kernel.kernel_id
    return view.state.value


async def _until_idle_after(logins: int, world: TwoMachines, kernel: RunningKernel) -> None:
    while await _state(world, kernel) != "idle" or _logins(world) == logins:
        await asyncio.sleep(0.05)


def _logins(world: TwoMachines) -> int:
    return sum("Accepted publickey" in line for line in world.first.log)


def _refusals(world: TwoMachines) -> int:
    return sum("[preauth]" in line and "onnection" in line for line in world.first.log)
