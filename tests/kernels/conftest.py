from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from traitlets.config import Config

from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.model import MachineRef, Profile
from tests.kernels.far import Far, sshd_in
from tests.kernels.home import Home, entered
from tests.kernels.jupyter import JupyterServer
from tests.kernels.serving import Server
from tests.sshd import Sshd

Serve = Callable[..., AbstractAsyncContextManager[Server]]


@pytest.fixture(scope="package")
def home() -> Iterator[Home]:
    """One for all these tests: each has kernels of its own, and what one kills is started again for the next."""
    with entered() as home:
        Bridge().add_profile(Profile("here", MachineRef("local"), python=sys.executable))
        Bridge().add_profile(Profile("kept", MachineRef("local"), python=sys.executable, keep=True))
        yield home


@pytest.fixture(scope="package")
def sshd(home: Home) -> Iterator[Sshd]:
    with sshd_in(home) as sshd:
        yield sshd


@pytest.fixture(scope="package")
def far_everywhere(home: Home, sshd: Sshd) -> Far:
    return Far(home, sshd, "far", sshd.port)


@pytest.fixture
def far(far_everywhere: Far) -> Iterator[Far]:
    """A machine behind SSH, which can be cut off; it is back when the test ends."""
    yield far_everywhere
    if not far_everywhere.sshd.is_running:
        far_everywhere.sshd.start()


@pytest.fixture
def serve(home: Home) -> Serve:
    """`async with serve() as server:`: its kernels are stopped at the end."""

    @asynccontextmanager
    async def make(config: Config | None = None) -> AsyncIterator[Server]:
        server = Server(home.runtime, config)
        try:
            yield server
        finally:
            await server.close()

    return make


@pytest.fixture
def server(home: Home, tmp_path: Path) -> Iterator[JupyterServer]:
    server = JupyterServer(tmp_path)
    yield server
    if server.process is not None and server.process.poll() is None:
        server.process.kill()
        server.process.wait(timeout=10)
