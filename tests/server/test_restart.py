from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.model import MachineRef, Profile
from tests.jupyter_server import JupyterServer, Refused


@pytest.fixture
def server(own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JupyterServer]:
    survivors = tmp_path / "survivors"
    monkeypatch.setenv("SURVIVORS", str(survivors))
    Bridge().add_profile(Profile("here", MachineRef("local")))
    server = JupyterServer(tmp_path, "tests.server.surviving")
    yield server
    server.kill()
    for note in survivors.glob("*.json"):
        try:
            os.kill(json.loads(note.read_text())["pid"], signal.SIGKILL)
        except ProcessLookupError:
            continue


def execute(own_home: Path, kernel_id: str, code: str) -> str:
    client = BlockingKernelClient(connection_file=str(own_home / "run" / f"kernel-{kernel_id}.json"))
    client.load_connection_file()
    client.hb_channel.time_to_dead = 10.0  # a second, otherwise, which on a busy computer a heartbeat may take
    client.start_channels()
    said: list[str] = []
    try:
        client.wait_for_ready(timeout=20)
        client.execute_interactive(
            code, timeout=20, output_hook=lambda message: said.append(message["content"].get("text", ""))
        )
    finally:
        client.stop_channels()
    return "".join(said)


def written(own_home: Path, path: str) -> bool:
    return any(path in file.read_text() for file in (own_home / "bridge" / "sessions").glob("*.json"))


@pytest.mark.timeout(120)
def test_a_killed_server_has_its_kernel_back_before_it_answers_anybody(server: JupyterServer, own_home: Path) -> None:
    server.start()
    wanted = {"path": "a.ipynb", "name": "a.ipynb", "type": "notebook", "kernel": {"name": "gpu-bridge-here"}}
    session = server.ask("api/sessions", wanted)
    kernel_id = session["kernel"]["id"]
    execute(own_home, kernel_id, "x = 41")
    deadline = time.monotonic() + 10
    while not written(own_home, "a.ipynb"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    server.end(signal.SIGKILL)

    server.start()
    assert server.ask(f"api/kernels/{kernel_id}")["name"] == "gpu-bridge-here"
    (again,) = server.ask("api/sessions")
    assert (again["id"], again["path"], again["kernel"]["id"]) == (session["id"], "a.ipynb", kernel_id)
    assert execute(own_home, kernel_id, "print(x + 1)") == "42\n"
    assert "of a.ipynb (gpu-bridge-here) is back." in server.log
    assert server.end(signal.SIGTERM) == 0
    assert "of a.ipynb (gpu-bridge-here) is stopped." in server.log


@pytest.mark.timeout(120)
def test_a_server_ends_although_a_start_failed(server: JupyterServer, own_home: Path) -> None:
    spec = own_home / "data" / "kernels" / "broken" / "kernel.json"
    spec.parent.mkdir()
    spec.write_text(json.dumps({"argv": ["/nowhere/to/be/found"], "display_name": "broken", "language": "python"}))
    server.start()
    server.ask("api/kernels", {"name": "gpu-bridge-here"})
    with pytest.raises(Refused):
        server.ask("api/kernels", {"name": "broken"})
    assert server.end(signal.SIGTERM) == 0
