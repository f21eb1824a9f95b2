"""One scene for each carrier, shared by the tests of a module; each test leaves it in fair weather and empty."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jupyter_gpu_bridge.model import CarrierChoice
from tests.faults.scene import Kernel, Scene

CARRIERS: tuple[CarrierChoice, ...] = ("openssh", "paramiko")


@pytest.fixture(scope="module", params=CARRIERS)
def shared_scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    with Scene(request.param) as scene:
        yield scene


@pytest.fixture
def scene(shared_scene: Scene) -> Iterator[Scene]:
    yield shared_scene
    shared_scene.clear_up()


@pytest.fixture
def kernel(scene: Scene) -> Iterator[Kernel]:
    with scene.kernel() as kernel:
        yield kernel
