"""The package is upgraded while a link of the version before runs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.machine.link import LinkClient, links, wire
from jupyter_gpu_bridge.machine.link.places import folder_of
from tests.faults.processes import DEADLINE, until
from tests.rentals.two_machines import BOX, TwoMachines, two_machines

pytestmark = pytest.mark.timeout(90)

OLD = """
from jupyter_gpu_bridge.machine.link import service, wire
wire.PROTOCOL = 0
service.__version__ = "0.0.9"
known = service.Visit._verbs
service.Visit._verbs = lambda self: {name: verb for name, verb in known(self).items() if name != "check"}
from jupyter_gpu_bridge.machine.link.__main__ import main
main()
"""


@contextmanager
def old_link() -> Iterator[subprocess.Popen[bytes]]:
    """One that speaks the protocol before ours, and cannot check."""
    with subprocess.Popen(
        [sys.executable, "-c", OLD, str(folder_of(BOX))], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        until("it listens", lambda: LinkClient.is_running(BOX))
        try:
            yield process
        finally:
            process.kill()


def test_an_old_link_without_kernels_is_replaced_at_once() -> None:
    async def upgrade() -> None:
        async with two_machines("openssh") as world:
            world.add(world.first)
            with old_link() as process:
                assert (await world.check(world.first))[-1] == "ready"
                assert await asyncio.to_thread(process.wait, DEADLINE) == 0
                (successor,) = world.links()
                assert successor != process.pid
                assert (await world.check())[-1] == "ready"
                assert world.links() == [successor]

    asyncio.run(upgrade())


def test_an_old_link_with_kernels_serves_what_both_know(monkeypatch: pytest.MonkeyPatch) -> None:
    async def upgrade() -> None:
        async with two_machines("openssh") as world:
            (world.here / "bridge" / "known_hosts").write_text(world.first.known_hosts_line() + "\n")
            world.add(world.first)
            with old_link() as process:
                monkeypatch.setattr(wire, "PROTOCOL", 0)
                kernel = await world.start()
                await links().close()
                monkeypatch.setattr(wire, "PROTOCOL", 1)
                assert await _refusal(world) == (
                    "The link of ssh:box was started by an older version (0.0.9) and still has kernels: it does not "
                    "know what is asked for. Stop them (jupyter gpu kernels stop ID), and a new link takes its place; "
                    "what was possible before goes on until then."
                )
                (view,) = await world.bridge.kernels()
                assert (view.kernel_id, view.state.value) == (kernel.kernel_id, "idle")
                assert process.poll() is None
                await world.bridge.stop_kernel(kernel.kernel_id)
                assert (await world.check())[-1] == "ready"
                assert await asyncio.to_thread(process.wait, DEADLINE) == 0

    asyncio.run(upgrade())


async def _refusal(world: TwoMachines) -> str:
    with pytest.raises(BridgeError) as caught:
        await world.check()
    return str(caught.value)
