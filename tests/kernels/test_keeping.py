"""What becomes of kernels when their Jupyter server exits: kept or stopped, as the profile says, and said so."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient

from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.model import KernelId, MachineRef, Profile
from tests.kernels.conftest import Serve
from tests.kernels.home import Home, until
from tests.kernels.jupyter import JupyterServer
from tests.kernels.serving import alone, said


async def _execute(home: Home, kernel_id: str, code: str) -> str:
    client: Any = AsyncKernelClient(connection_file=str(home.runtime / f"kernel-{kernel_id}.json"))
    client.load_connection_file()
    client.start_channels(hb=False)
    try:
        await client.wait_for_ready(timeout=30)
        return await said(client, code)
    finally:
        client.stop_channels()


def _notebook(name: str, kernel: str) -> dict[str, Any]:
    return {"path": name, "name": name, "type": "notebook", "kernel": {"name": kernel}}


async def test_a_server_that_exits_keeps_what_is_to_be_kept_and_stops_the_rest(
    server: JupyterServer, home: Home
) -> None:
    server.start()
    kept, stopped = [
        (await server.ask("api/sessions", _notebook(name, kernel)))["kernel"]["id"]
        for name, kernel in (("kept.ipynb", "gpu-bridge-kept"), ("stopped.ipynb", "gpu-bridge-here"))
    ]
    counting = home.folder / "counting"
    await _execute(home, kept, "x = 41")
    client: Any = AsyncKernelClient(connection_file=str(home.runtime / f"kernel-{kept}.json"))
    client.load_connection_file()
    client.start_channels(hb=False)
    client.execute(f"import time\nfor _ in range(8):\n  time.sleep(.5)\nopen({str(counting)!r}, 'w').write('whole')")
    await client.wait_for_ready(timeout=30)
    kernel = home.kernel(kept)
    client.stop_channels()
    await server.end(signal.SIGTERM)
    assert server.process is not None
    assert server.process.returncode == 0
    assert "of kept.ipynb (gpu-bridge-kept) is kept running." in server.log
    assert "of stopped.ipynb (gpu-bridge-here) is stopped." in server.log
    await home.until_nothing_remains(stopped)
    assert kernel.is_running()

    server.start()
    assert kept in [model["id"] for model in await server.ask("api/kernels")]
    assert await _execute(home, kept, "print(x + 1)") == "42\n"
    assert counting.read_text() == "whole"  # the exit did not interrupt its cell
    assert home.kernel(kept).pid == kernel.pid

    await server.ask(f"api/kernels/{kept}/restart", {})
    assert home.kernel(kept).pid != kernel.pid
    assert await _execute(home, kept, "x") == "NameError"
    await server.ask(f"api/kernels/{kept}", method="DELETE")  # by the user: that means it
    await home.until_nothing_remains(kept)
    await server.end(signal.SIGTERM)


async def test_a_killed_server_finds_its_kernel_again_although_another_server_ended_meanwhile(
    home: Home, tmp_path: Path
) -> None:
    first, second = JupyterServer(tmp_path), JupyterServer(tmp_path)
    try:
        first.start()
        await first.ask("api")  # it has the first place in the folder
        second.start()
        session = await second.ask("api/sessions", _notebook("b.ipynb", "gpu-bridge-here"))
        kernel_id = session["kernel"]["id"]
        await _execute(home, kernel_id, "x = 41")
        await until(lambda: any("b.ipynb" in file.read_text() for file in (home.bridge / "sessions").glob("*.json")))
        await first.end(signal.SIGTERM)
        await second.end(signal.SIGKILL)

        second.start()
        (again,) = await second.ask("api/sessions")
        assert (again["path"], again["kernel"]["id"]) == ("b.ipynb", kernel_id)
        assert await _execute(home, kernel_id, "print(x + 1)") == "42\n"
        await second.end(signal.SIGKILL)

        first.start()  # any server of the folder: nothing is left idle for ever
        assert [model["path"] for model in await first.ask("api/sessions")] == ["b.ipynb"]
        await first.end(signal.SIGTERM)
        await home.until_nothing_remains(kernel_id)
    finally:
        first.kill()
        second.kill()


async def test_a_profile_that_is_changed_while_its_kernel_runs_is_obeyed(server: JupyterServer, home: Home) -> None:
    Bridge().add_profile(Profile("changing", MachineRef("local"), python=sys.executable))
    server.start()
    kernel_id = (await server.ask("api/sessions", _notebook("c.ipynb", "gpu-bridge-changing")))["kernel"]["id"]
    Bridge().add_profile(Profile("changing", MachineRef("local"), python=sys.executable, keep=True))
    await _execute(home, kernel_id, "x = 41")
    await server.end(signal.SIGTERM)
    assert "of c.ipynb (gpu-bridge-changing) is kept running." in server.log

    server.start()
    assert [model["id"] for model in await server.ask("api/kernels")] == [kernel_id]
    assert await _execute(home, kernel_id, "print(x + 1)") == "42\n"
    Bridge().add_profile(Profile("changing", MachineRef("local"), python=sys.executable))
    await server.end(signal.SIGTERM)
    await home.until_nothing_remains(kernel_id)


async def test_a_second_manager_finds_the_variables_and_can_shut_it_down(serve: Serve, home: Home) -> None:
    async with serve() as first:
        kernel_id = await first.start("gpu-bridge-kept")
        await first.run(kernel_id, "x = 3")
        await Bridge().server_exits([KernelId(kernel_id)])
        await first.stop(kernel_id)
        kernel = home.kernel(kernel_id)
        async with serve() as second:
            await second.start("gpu-bridge-kept", kernel_id=kernel_id)
            assert home.kernel(kernel_id).pid == kernel.pid
            assert await second.run(kernel_id, "print(x)") == "3\n"
            await second.stop(kernel_id)
            await home.until_nothing_remains(kernel_id)
            assert not kernel.is_running()


async def test_an_attach_that_is_cancelled_leaves_the_kernel_as_it_was(serve: Serve, home: Home) -> None:
    async with serve() as first:
        kernel_id = await first.start("gpu-bridge-kept")
        await Bridge().server_exits([KernelId(kernel_id)])
        await first.stop(kernel_id)
        kernel = home.kernel(kernel_id)
        for pause in (0.0, 0.005, 0.01, 0.015, 0.02, 0.03):
            manager = alone("gpu-bridge-kept")
            attach = asyncio.ensure_future(manager.start_kernel(kernel_id=kernel_id))
            done, _ = await asyncio.wait([attach], timeout=pause)
            attach.cancel()
            await asyncio.wait([attach])
            if done:
                await Bridge().server_exits([KernelId(kernel_id)])
                await manager.shutdown_kernel()
            manager.context.destroy(linger=0)
        async with serve() as second:
            await second.start("gpu-bridge-kept", kernel_id=kernel_id)
            assert await second.run(kernel_id, "print(1)") == "1\n"
            assert home.kernel(kernel_id).pid == kernel.pid
