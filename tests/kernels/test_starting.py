"""Starts: what jupyter_client gets back, what goes to the machine and what does not, and starts that fail."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import psutil
import pytest
import zmq
from jupyter_client.kernelspec import NoSuchKernel
from traitlets.config import Config

from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.errors import BadRequest, BridgeError, KernelTaken
from jupyter_gpu_bridge.machine.link import links
from jupyter_gpu_bridge.model import Host, KernelId, MachineRef, Profile
from tests.kernels.conftest import Serve
from tests.kernels.home import Home, until
from tests.kernels.serving import Server, alone
from tests.ports import free_port
from tests.processes import end_processes

PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
COMPARED = ("key", "curve_publickey", "curve_secretkey", "ip", *PORTS, "transport", "signature_scheme")

START_ELSEWHERE = """
import asyncio, sys
from pathlib import Path
from tests.kernels.serving import Server, alone

async def main() -> None:
    server = Server(Path(sys.argv[1]))
    try:
        await server.start(kernel_id=sys.argv[2])
    except Exception as error:
        print(f"{type(error).__name__}: {error}")

asyncio.run(main())
"""


def _spec(home: Home, name: str, config: dict[str, Any], provisioner: str = "gpu-bridge", **more: Any) -> str:
    """A kernelspec that no profile would make."""
    folder = home.folder / "data" / "kernels" / name
    folder.mkdir(parents=True, exist_ok=True)
    metadata = {"kernel_provisioner": {"provisioner_name": provisioner, "config": config}}
    spec = {"argv": ["true"], "display_name": name, "language": "python", "metadata": metadata, **more}
    (folder / "kernel.json").write_text(json.dumps(spec))
    return name


# what jupyter_client gets back --------------------------------------------------------------------------------------


@pytest.mark.parametrize("left", ["nothing", "the same", "something else"])
async def test_the_connection_file_says_what_the_manager_and_the_provisioner_say(
    serve: Serve, home: Home, left: str
) -> None:
    kernel_id = str(uuid.uuid4())
    path = home.runtime / f"kernel-{kernel_id}.json"
    async with serve() as server:
        if left != "nothing":
            await server.start(kernel_id=kernel_id)
            content = json.loads(path.read_text())
            server.provisioner(kernel_id)._kernel.is_detached = True  # as when its server exits and keeps it
            await Bridge().server_exits([KernelId(kernel_id)])
            await server.stop(kernel_id)
            assert home.kernel(kernel_id).is_running()
            if left == "something else":
                content["key"] = "of somebody else"
            path.write_text(json.dumps(content))
        await server.start(kernel_id=kernel_id)
        kernel = server.manager(kernel_id)
        info = kernel.provisioner.connection_info
        assert isinstance(info["key"], bytes)
        file = json.loads(path.read_text())
        file["key"] = file["key"].encode()
        manager = kernel.get_connection_info()
        for name in COMPARED:
            assert file.get(name) == manager.get(name) == info.get(name), name
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
        assert await server.run(kernel_id, "print(1)") == "1\n"


# what goes to the machine and what does not ---------------------------------------------------------------------------


async def test_the_server_s_environment_stays_here(serve: Serve, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = ("JUPYTERHUB_API_TOKEN", "JUPYTER_TOKEN", "SOME_API_KEY", "AWS_SECRET_ACCESS_KEY", "JPY_API_TOKEN")
    for name in secrets:
        monkeypatch.setenv(name, "not-for-others")
    monkeypatch.setenv("JPY_PARENT_PID", "1")
    monkeypatch.setenv("PASSED_ON", "by name")
    environment = (("PASSED_ON", None), ("GIVEN", "in the profile"), ("NOT_THERE", None))
    Bridge().add_profile(Profile("variables", MachineRef("local"), python=sys.executable, environment=environment))
    # What runs already was started before this environment was.
    await asyncio.to_thread(end_processes, home.processes())
    async with serve() as server:
        kernel_id = await server.start(
            "gpu-bridge-variables", env={**os.environ, "JPY_SESSION_NAME": "a.ipynb"}, cwd=str(home.runtime)
        )
        everybody = [process.environ() for process in home.processes()]
        assert len(everybody) >= 4  # link, agent, keeper, kernel
        assert not [variables for variables in everybody if "not-for-others" in variables.values()]
        kernel, keeper = home.kernel(kernel_id).environ(), home.keeper(kernel_id)
        assert kernel["JPY_PARENT_PID"] == str(keeper.pid)
        assert (kernel["PASSED_ON"], kernel["GIVEN"]) == ("by name", "in the profile")
        assert "NOT_THERE" not in kernel
        assert "JPY_SESSION_NAME" not in kernel
        assert "GIVEN" not in keeper.environ()
        where = await server.run(kernel_id, "import os; print(os.getcwd())")
        assert where == f"{home.folder}\n"  # the machine's, not the notebook's


async def test_the_key_is_on_no_command_line_and_in_no_file_that_others_can_read(serve: Serve, home: Home) -> None:
    async with serve() as server:
        kernel_id = await server.start()
        await server.manager(kernel_id).restart_kernel(now=True)
        key = server.manager(kernel_id).session.key
        assert not [line for line in _command_lines() if key.decode() in line]
        holders = [path for path in home.folder.rglob("*") if path.is_file() and key in path.read_bytes()]
        assert holders
        for path in holders:
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
        sockets = [path for path in home.folder.rglob("*") if path.is_socket()]
        assert len(sockets) >= 12
        for path in sockets:
            private = stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
            assert private or stat.S_IMODE(path.parent.stat().st_mode) & 0o077 == 0, path


# starts that fail -----------------------------------------------------------------------------------------------------


async def test_a_start_that_fails_says_why_and_leaves_nothing(serve: Serve, home: Home) -> None:
    Bridge().add_host(Host("nowhere", "127.0.0.1", port=free_port(), carrier="paramiko"))
    broken = home.folder / "broken"
    broken.mkdir()
    (broken / "ipykernel.py").write_text("raise ImportError('libcuda is missing')")
    cases = {
        _spec(home, "no-python", {"machine": "local", "python": "/no/such/python"}): "no Python at /no/such/python",
        _spec(home, "no-port", {"machine": "ssh:nowhere"}): "nowhere",
        _spec(home, "no-host", {"machine": "ssh:unheard"}): "unheard",
        _spec(home, "no-machine", {"machine": "cloud:9"}): "cloud:9",
        _spec(home, "dies", {"machine": "local", "environment": {"PYTHONPATH": str(broken)}}): "libcuda is missing",
    }
    async with serve() as server:
        for name, words in cases.items():
            kernel_id = str(uuid.uuid4())
            with pytest.raises(BridgeError) as caught:
                await server.start(name, kernel_id=kernel_id)
            text = str(caught.value)
            assert words in text, name
            assert "Traceback" not in text
            assert "\n" not in text
            assert len(text) < 500
            assert kernel_id not in server
            await home.until_nothing_remains(kernel_id)


async def test_a_setting_that_means_nothing_is_refused(serve: Serve, home: Home) -> None:
    async with serve() as server:
        with pytest.raises(BadRequest, match="'machin'"):
            await server.start(_spec(home, "unknown-key", {"machin": "local"}))
        with pytest.raises(BadRequest, match="'keep'"):
            await server.start(_spec(home, "wrong-kind", {"machine": "local", "keep": "yes"}))


async def test_a_missing_provisioner_is_jupyter_s_own_error(serve: Serve, home: Home) -> None:
    async with serve() as server:
        with pytest.raises(NoSuchKernel):
            await server.start(_spec(home, "gone", {}, provisioner="uninstalled"))


async def test_a_client_that_ignores_provisioners_is_told_what_to_do(serve: Serve, home: Home) -> None:
    spec = json.loads((home.folder / "data" / "kernels" / "gpu-bridge-here" / "kernel.json").read_text())
    ran = await asyncio.to_thread(subprocess.run, spec["argv"], capture_output=True, text=True, timeout=20)
    assert ran.returncode == 1
    assert "Existing Jupyter Server" in ran.stderr


async def test_required_transport_encryption_is_refused_before_anything_is_started(serve: Serve, home: Home) -> None:
    kernel_id = str(uuid.uuid4())
    async with serve(Config({"Server": {"transport_encryption": "required"}})) as server:
        with pytest.raises(RuntimeError, match="transport_encryption='required'"):
            await server.start(kernel_id=kernel_id)
        assert not home.remains(kernel_id)
    async with serve(Config({"Server": {"transport_encryption": "auto"}})) as server:
        await server.start(kernel_id=kernel_id)
        assert await server.run(kernel_id, "print(1)") == "1\n"


@pytest.mark.parametrize("after", [0.0, 0.01, 0.03, 0.06, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9])
async def test_a_start_that_is_cancelled_leaves_nothing(home: Home, after: float) -> None:
    kernel_id = str(uuid.uuid4())
    manager = alone()
    start = asyncio.create_task(manager.start_kernel(kernel_id=kernel_id))
    done, _ = await asyncio.wait([start], timeout=after)
    start.cancel()
    if done:
        await manager.shutdown_kernel(now=True)
    else:
        await asyncio.wait([start])
    manager.context.destroy(linger=0)
    await home.until_nothing_remains(kernel_id)


async def test_a_start_that_is_cancelled_at_its_very_end_leaves_nothing(home: Home) -> None:
    """The link has answered, and nobody takes the answer."""
    kernel_id = str(uuid.uuid4())
    manager = alone()
    start = asyncio.create_task(manager.start_kernel(kernel_id=kernel_id))
    await until(lambda: home.processes(" keeper ", kernel_id))
    while kernel_id not in links()._kernels:
        time.sleep(0.001)  # noqa: ASYNC251 - this loop must not see the answer, which comes on another one
    start.cancel()
    await asyncio.wait([start])
    manager.context.destroy(linger=0)
    await home.until_nothing_remains(kernel_id)


async def test_a_start_that_is_cancelled_when_all_is_done_leaves_nothing(home: Home) -> None:
    """jupyter_client rests for ten milliseconds before it says that the kernel is ready."""
    kernel_id = str(uuid.uuid4())
    manager = alone()
    start = asyncio.create_task(manager.start_kernel(kernel_id=kernel_id))
    while not (manager.provisioner and manager.provisioner.has_process):
        await asyncio.sleep(0)
    start.cancel()
    await asyncio.wait([start])
    assert start.cancelled()
    manager.context.destroy(linger=0)
    await home.until_nothing_remains(kernel_id)


async def test_a_start_that_fails_after_the_launch_leaves_nothing(home: Home) -> None:
    kernel_id = str(uuid.uuid4())
    manager = alone()
    manager.context.term()  # so jupyter_client cannot make its control socket
    start = asyncio.create_task(manager.start_kernel(kernel_id=kernel_id))
    await asyncio.wait([start])
    assert isinstance(start.exception(), zmq.ZMQError)
    await home.until_nothing_remains(kernel_id)


async def test_the_second_to_start_a_kernel_id_is_told_so_and_the_first_is_unharmed(serve: Serve, home: Home) -> None:
    async with serve() as server, serve() as other:
        kernel_id = await server.start()
        await server.run(kernel_id, "x = 7")
        with pytest.raises(KernelTaken, match="already run by this program"):
            await other.start(kernel_id=kernel_id)
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        ran = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", START_ELSEWHERE, str(home.runtime), kernel_id],
            capture_output=True,
            text=True,
            timeout=40,
            env=environment,
        )
        assert "KernelTaken: The kernel" in ran.stdout, ran.stderr
        assert "already run by another program on this computer" in ran.stdout
        assert (home.runtime / f"kernel-{kernel_id}.json").exists()
        assert await server.run(kernel_id, "print(x)") == "7\n"


@pytest.mark.parametrize("pending", [False, True])
async def test_pending_kernels_may_be_used_or_not(serve: Serve, home: Home, pending: bool) -> None:
    async with serve(Config({"Server": {"use_pending_kernels": pending}})) as server:
        kernel_id = await server.start()
        await server.manager(kernel_id).ready
        assert await server.run(kernel_id, "print(1)") == "1\n"
        failing = await _start_failing(server, _spec(home, "no-python", {"machine": "local", "python": "/no/python"}))
        assert "no Python at /no/python" in failing
        await server.stop(kernel_id)
        await home.until_nothing_remains(kernel_id)


async def _start_failing(server: Server, name: str) -> str:
    try:
        kernel_id = await server.start(name)
        await server.manager(kernel_id).ready
    except BridgeError as error:
        return str(error)
    return ""


async def test_cleanup_may_come_at_any_time_and_again(home: Home) -> None:
    manager = alone()
    await manager.cleanup_resources()
    kernel_id = str(uuid.uuid4())
    await manager.pre_start_kernel(kernel_id=kernel_id)
    await manager.cleanup_resources()
    failing = alone(_spec(home, "no-python", {"machine": "local", "python": "/no/python"}))
    with pytest.raises(BridgeError):
        await failing.start_kernel()
    await failing.cleanup_resources()
    await failing.cleanup_resources(restart=True)
    used = alone()
    await used.start_kernel(kernel_id=kernel_id)
    await used.shutdown_kernel()
    await used.cleanup_resources()  # as nbclient does in the end
    await used.cleanup_resources()
    await home.until_nothing_remains(kernel_id)


def _command_lines() -> list[str]:
    """Of every process of this computer."""
    return [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
