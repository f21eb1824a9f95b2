"""Two names of one real machine behind a real sshd, and what is said of it while it cannot be reached."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator

import pytest

from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.errors import KernelUnknown
from jupyter_gpu_bridge.machine.link import KernelOrder, links
from jupyter_gpu_bridge.model import KernelId, KernelState, MachineState
from tests.kernels.far import Far, sshd_in
from tests.kernels.home import Home, entered

KERNEL = KernelId("11112222-3333-4444-5555-666677778888")


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with entered() as home:
        yield home


@pytest.fixture(scope="module")
def names(home: Home) -> Iterator[tuple[Far, Far]]:
    with sshd_in(home) as sshd:
        yield Far(home, sshd, "far", sshd.port), Far(home, sshd, "same", sshd.port)


@pytest.fixture
def far(home: Home, names: tuple[Far, Far]) -> Iterator[Far]:
    """It runs one kernel, which its first name started."""
    far, _ = names
    order = KernelOrder(KERNEL, "secret", python=sys.executable, survives=True)
    asyncio.run(Bridge().start_kernel(far.machine, order, lambda name, text: None))
    yield far
    asyncio.run(_end(home, far))


async def _end(home: Home, far: Far) -> None:
    if not far.sshd.is_running:
        await far.mend()
    with contextlib.suppress(KernelUnknown):
        await Bridge().stop_kernel(KERNEL)
    await links().close()
    await home.until_nothing_remains(KERNEL)


async def test_a_kernel_of_a_machine_with_two_names_is_one_kernel_of_ours(far: Far, names: tuple[Far, Far]) -> None:
    bridge = Bridge()
    seen = [kernel for view in await bridge.machines(wake=True) for kernel in view.kernels]
    assert {kernel.machine for kernel in seen} == {name.machine for name in names}
    (kernel,) = await bridge.kernels(wake=True)
    assert (kernel.kernel_id, kernel.machine, kernel.is_foreign) == (KERNEL, far.machine, False)


async def test_a_machine_that_cannot_be_reached_says_so_and_its_kernels_are_remembered(far: Far) -> None:
    bridge = Bridge()
    await bridge.kernels(wake=True)
    await far.cut()
    await _until_cut(bridge, far)
    views = {view.ref.name: view for view in await bridge.machines(wake=True)}
    for name in ("far", "same"):
        assert views[name].out_of_reach
        assert views[name].detail
    assert not views[""].out_of_reach  # this computer
    (kernel,) = views["far"].kernels
    assert (kernel.kernel_id, kernel.state) == (KERNEL, KernelState.UNREACHABLE)


async def test_a_kernel_that_was_stopped_during_a_cut_is_shown_until_the_machine_has_confirmed_it(
    far: Far, home: Home
) -> None:
    bridge = Bridge()
    await far.cut()
    await _until_cut(bridge, far)
    assert not await bridge.stop_kernel(KERNEL)
    (kernel,) = await bridge.kernels()
    assert kernel.state is KernelState.STOPPING
    assert not await bridge.surviving(KERNEL)
    await far.mend()
    await home.until_nothing_remains(KERNEL)
    assert await bridge.kernels() == []


async def _until_cut(bridge: Bridge, far: Far) -> None:
    async def is_cut() -> bool:
        views = await bridge.machines()
        return any(view.ref == far.machine and view.state is MachineState.RECONNECTING for view in views)

    while not await is_cut():
        await asyncio.sleep(0.05)


async def test_a_connection_file_goes_with_its_kernel(far: Far, home: Home) -> None:
    file = await Bridge().attach(KERNEL)
    assert file.stat().st_mode & 0o077 == 0
    assert await Bridge().stop_kernel(KERNEL)
    assert not file.exists()
    assert not list(home.folder.rglob(f"kernel-{KERNEL}.json"))
