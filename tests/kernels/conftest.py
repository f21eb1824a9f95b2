from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from traitlets.config import Config

from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.model import MachineRef, Profile
from tests.kernels.home import Home, entered
from tests.kernels.serving import Server

Serve = Callable[..., AbstractAsyncContextManager[Server]]


@pytest.fixture(scope="package")
def home() -> Iterator[Home]:
    """One for all these tests: each has kernels of its own, and what one kills is started again for the next."""
    with entered() as home:
        Bridge().add_profile(Profile("here", MachineRef("local"), python=sys.executable))
        Bridge().add_profile(Profile("kept", MachineRef("local"), python=sys.executable, keep=True))
        yield home


@pytest.fixture
def serve(home: Home) -> Serve:
    """`async with serve() as server:`: its kernels are stopped at the end."""

    @asynccontextmanager
    async def make(config: Config | None = None) -> AsyncIterator[Server]:
        server = Server(home.runtime, config)
        try:
            yield server
        finally:
            await server.shutdown_all(now=True)

    return make
