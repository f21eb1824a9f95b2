"""Every test here runs against a local ipykernel, which shows that the test is right, and against each way of ours.

`COMPATIBILITY_KINDS=local,ssh-L` chooses others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel

from tests.compatibility.conversation import run
from tests.compatibility.world import Kind, World

_DEFAULT = (Kind.LOCAL, Kind.OURS_LOCAL, Kind.OURS_OPENSSH, Kind.OURS_PARAMIKO)

_CHOSEN = os.environ.get("COMPATIBILITY_KINDS")

KINDS = [Kind(name) for name in _CHOSEN.split(",")] if _CHOSEN else _DEFAULT


@dataclass(frozen=True, slots=True)
class Running:
    """A kernel that several tests share; each leaves it idle."""

    manager: KernelManager
    client: BlockingKernelClient

    @property
    def pid(self) -> int:
        return int(run(self.client, "import os; print(os.getpid())").stdout)


# With PYTEST_CURRENT_TEST in its environment, an ipykernel does not show what is written below Python.


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup() -> None:
    os.environ.pop("PYTEST_CURRENT_TEST", None)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call() -> None:
    os.environ.pop("PYTEST_CURRENT_TEST", None)


@pytest.fixture(scope="package")
def world() -> Iterator[World]:
    with World() as world:
        yield world


@pytest.fixture(scope="package", params=KINDS, ids=lambda kind: kind.value)
def kernel_name(request: pytest.FixtureRequest, world: World) -> str:
    """The name that any Jupyter client would start this kind of kernel by."""
    return world.kernel_name(request.param)


@pytest.fixture(scope="module")
def kernel(kernel_name: str) -> Iterator[Running]:
    manager, client = start_new_kernel(kernel_name=kernel_name)
    try:
        yield Running(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
