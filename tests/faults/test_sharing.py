"""Many kernels on one machine share one connection and one agent, and all of it goes when nobody needs it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from jupyter_gpu_bridge.machine.link.links import links
from tests.compatibility.conversation import run
from tests.faults.conftest import CARRIERS
from tests.faults.processes import kill, until
from tests.faults.scene import INSIDE, Scene

pytestmark = pytest.mark.timeout(120)

_KERNELS = 8


@pytest.fixture(scope="module", params=CARRIERS)
def shared_scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    here = "jupyter_gpu_bridge.machine.link.link:IDLE_LIFE=2"
    far = "jupyter_gpu_bridge.agent.agent:IDLE_LIFE=2"
    inside = {"PYTHONPATH": str(INSIDE)}
    with Scene(request.param, here={**inside, "GPB_SHORTER": here}, far={**inside, "GPB_SHORTER": far}) as scene:
        yield scene


def test_eight_kernels_have_one_connection_and_one_agent(scene: Scene) -> None:
    with ExitStack() as stack:
        kernels = [stack.enter_context(scene.kernel()) for _ in range(_KERNELS)]
        assert len({kernel.pid for kernel in kernels}) == _KERNELS
        assert len(scene.links()) == len(scene.agents()) == scene.sshd.session_count() == 1
        assert len(scene.keepers()) == len(scene.kernels()) == _KERNELS
        scene.sshd.cut_sessions()
        for number, kernel in enumerate(kernels):
            assert run(kernel.client, f"print({number})").stdout == f"{number}\n"
        assert len(scene.links()) == len(scene.agents()) == scene.sshd.session_count() == 1


def test_nothing_is_left_after_the_last_kernel_but_link_and_agent_and_then_they_leave_too(scene: Scene) -> None:
    with scene.kernel() as kernel:
        run(kernel.client, "import subprocess; subprocess.Popen(['sleep', '600'])")
    until("kernel and keeper had gone", lambda: not scene.keepers() and not scene.kernels())
    kept = [path.name for path in (scene.far / ".jupyter-gpu-bridge" / "kernels").iterdir()]
    assert kept == []
    sockets = [path.name for path in (scene.far / ".jupyter-gpu-bridge" / "s").iterdir()]
    assert [name.split("-")[0] for name in sockets] == ["agent"]
    ours = [path.name for path in (scene.here / "bridge" / "run").iterdir()]
    assert [name.split("-")[1] for name in ours] == ["link"]
    assert not list((scene.here / "bridge" / "links").glob("*/kernels/*"))
    asyncio.run(links().close())
    until("the link had left", lambda: not scene.links())
    until("the agent had left", lambda: not scene.agents())
    assert not os.listdir(scene.far / ".jupyter-gpu-bridge" / "s")
    assert not os.listdir(scene.here / "bridge" / "run")


def test_two_agents_are_never_started_at_once(scene: Scene) -> None:
    with scene.kernel() as kernel:
        for _ in range(3):
            kill(*scene.agents())
            scene.sshd.cut_sessions()
            assert run(kernel.client, "print('here')").stdout == "here\n"
            assert len(scene.agents()) == 1
