"""A name means the machine that its owner says now: never the one that it meant before, whatever is still connected."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jupyter_gpu_bridge.errors import BadRequest, HostKeyChanged, HostKeyUnknown
from jupyter_gpu_bridge.model import CarrierChoice
from jupyter_gpu_bridge.providers.local import THIS_COMPUTER
from tests.faults.processes import kill, until
from tests.on_asyncio import anyio_backend, on_asyncio
from tests.rentals.two_machines import TwoMachines, process_of, two_machines
from tests.sshd import Sshd

__all__ = ["anyio_backend", "on_asyncio"]

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.timeout(120),
    pytest.mark.parametrize("carrier", ["openssh", "paramiko"]),
]

_PYTHON = sys.executable


@pytest.fixture
async def world(carrier: CarrierChoice) -> AsyncIterator[TwoMachines]:
    async with two_machines(carrier) as world:
        yield world


async def _until_left(sshd: Sshd) -> None:
    await asyncio.to_thread(until, "the connection was gone", lambda: sshd.session_count() == 0)


async def test_a_name_that_is_given_to_another_machine_leads_there(world: TwoMachines) -> None:
    world.add(world.first)
    await world.check(world.first)
    assert world.first.session_count() == 1
    await world.bridge.remove_host("box")
    await _until_left(world.first)
    world.add(world.second)
    with pytest.raises(HostKeyUnknown):
        await world.check(world.first)
    assert await world.check(world.second) == ["connecting", "connecting", "preparing", "preparing", "ready"]
    assert world.asked == [world.first.fingerprint, *[world.second.fingerprint] * 2]
    kernel = await world.start()
    assert world.home_of(kernel) == "second"
    assert world.first.session_count() == 0
    await world.bridge.release_kernel(kernel)


async def test_a_description_that_changes_behind_our_back_is_seen_at_the_next_start(world: TwoMachines) -> None:
    world.add(world.first)
    await world.check(world.first)
    file = world.here / "bridge" / "hosts.json"
    file.write_text(
        file.read_text()
        .replace(str(world.first.port), str(world.second.port))
        .replace(str(world.first.identity), str(world.second.identity))
    )
    with pytest.raises(HostKeyUnknown):
        await world.start()
    await _until_left(world.first)
    await world.check(world.second)
    kernel = await world.start()
    assert world.home_of(kernel) == "second"
    await world.bridge.release_kernel(kernel)


async def test_a_machine_whose_kernels_run_is_neither_removed_nor_replaced(world: TwoMachines) -> None:
    world.add(world.first)
    await world.check(world.first)
    kernel = await world.start()
    short, process = kernel.kernel_id[:8], process_of(kernel)
    advice = f"End them first: jupyter gpu kernels stop {short}"
    with pytest.raises(BadRequest) as caught:
        await world.bridge.remove_host("box")
    assert str(caught.value) == f"This machine cannot be removed while kernels run on it: {short}. {advice}"
    await asyncio.to_thread(kill, *world.links())  # its successor knows as much
    with pytest.raises(BadRequest):
        await world.bridge.remove_host("box")

    await world.bridge.remove_host("box", leave_kernels=True)
    world.add(world.second)
    for attempt in (world.check(world.second), world.start()):
        with pytest.raises(BadRequest) as caught:
            await attempt
        assert (
            str(caught.value)
            == f"This name stood for another machine before, where kernels still run: {short}. {advice}"
        )
    assert world.second.session_count() == 0
    (view,) = await world.bridge.kernels()
    assert view.kernel_id == kernel.kernel_id
    await world.bridge.stop_kernel(kernel.kernel_id)
    await asyncio.to_thread(until, "the kernel was gone", lambda: not process.is_running())
    await world.check(world.second)
    successor = await world.start()
    assert world.home_of(successor) == "second"
    await world.bridge.release_kernel(successor)


async def test_kernels_that_have_ended_or_cannot_be_told_do_not_hold_a_name(world: TwoMachines) -> None:
    world.add(world.first)
    await world.check(world.first)
    ended, unreachable = await world.start(), await world.start()
    process_of(ended).kill()
    await asyncio.wait_for(world.bridge.kernel_ended(ended), 20)
    await asyncio.to_thread(world.first.stop)
    with pytest.raises(BadRequest, match=unreachable.kernel_id[:8]):
        await world.bridge.remove_host("box")
    assert not await world.bridge.release_kernel(unreachable)
    await world.bridge.remove_host("box")
    world.add(world.second)
    await world.check(world.second)
    assert await world.bridge.kernels() == []
    process_of(unreachable).kill()


async def test_a_check_looks_at_the_machine_itself_and_leaves_kernels_alone(world: TwoMachines) -> None:
    world.add(world.first)
    await world.check(world.first)
    kernel = await world.start()
    logins = sum("Accepted publickey" in line for line in world.first.log)
    assert (await world.check())[-1] == "ready"
    assert sum("Accepted publickey" in line for line in world.first.log) == logins + 1
    (view,) = await world.bridge.kernels()
    assert (view.kernel_id, view.state.value) == (kernel.kernel_id, "idle")
    before = world.first.fingerprint
    # The server of that address shows another key, while the old connection is still up.
    held = await asyncio.to_thread(world.first.stop_listening)
    assert held
    world.first.replace_host_key()
    await asyncio.to_thread(world.first.start)
    assert world.first.fingerprint != before
    with pytest.raises(HostKeyChanged):
        await world.check()
    (view,) = await world.bridge.kernels()
    assert view.state.value == "idle"
    # Once the user vouches for it, nothing of the old connection is used any more.
    assert (await world.check(world.first))[-1] == "ready"
    await asyncio.to_thread(until, "the old connection was gone", lambda: not any(each.is_running() for each in held))
    assert await world.bridge.release_kernel(kernel)


async def test_each_start_says_which_python_is_the_usual(world: TwoMachines, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add(world.first, python=str(_python(world, "old")))
    await world.check(world.first)
    old = await world.start()
    assert process_of(old).environ()["WHICH"] == "old"
    await world.bridge.remove_host("box", leave_kernels=True)
    world.add(world.first, python=str(_python(world, "new")))
    new = await world.start()
    assert process_of(new).environ()["WHICH"] == "new"
    await world.bridge.release_kernel(new)
    await world.bridge.release_kernel(old)

    # Two environments of one user, on one computer.
    kernels = []
    for name in ("one", "two"):
        monkeypatch.setattr(sys, "executable", str(_python(world, name)))
        kernels.append(await world.start(THIS_COMPUTER))
    assert [process_of(kernel).environ()["WHICH"] for kernel in kernels] == ["one", "two"]
    for kernel in kernels:
        await world.bridge.release_kernel(kernel)


def _python(world: TwoMachines, name: str) -> Path:
    """The Python that runs the tests, with a mark on its kernels."""
    path = world.folder / name
    path.write_text(f'#!/bin/sh\nWHICH={name} exec {shlex.quote(_PYTHON)} "$@"\n')
    path.chmod(0o700)
    return path
