"""Restarts, by the user and by the server: only the process is replaced, and clients need not notice."""

from __future__ import annotations

from tests.kernels.conftest import Serve
from tests.kernels.home import Home


async def test_a_kernel_starts_runs_and_leaves_nothing(serve: Serve, home: Home) -> None:
    async with serve() as server:
        kernel_id = await server.start()
        assert await server.run(kernel_id, "print(6 * 7)") == "42\n"
        await server.shutdown_kernel(kernel_id)
        await home.until_nothing_remains(kernel_id)
