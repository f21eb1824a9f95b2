from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.model import MachineRef, Profile

ROOT = Path(__file__).parents[2]

TOKEN = "a-token-of-this-test"


class Server:
    """A real Jupyter server in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text()

    def start(self) -> None:
        root = self._folder / "root"
        root.mkdir(exist_ok=True)
        options = {
            "ip": "127.0.0.1",
            "port": self._port,
            "port_retries": 0,
            "root_dir": root,
            "open_browser": False,
            "allow_root": True,
            "jpserver_extensions": {"jupyter_gpu_bridge": True},
        }
        arguments = [f"--ServerApp.{name}={value}" for name, value in options.items()]
        with (self._folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.server.surviving", *arguments, f"--IdentityProvider.token={TOKEN}"],
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )

    def ask(self, path: str, data: dict[str, Any] | None = None) -> Any:
        """The answer to the first request that is answered at all."""
        body = None if data is None else json.dumps(data).encode()
        headers = {"Authorization": f"token {TOKEN}"}
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}/{path}", body, headers)
        deadline = time.monotonic() + 30
        while True:
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                    return json.load(answer)
            except urllib.error.HTTPError:
                raise
            except OSError:
                assert time.monotonic() < deadline, self.log
                time.sleep(0.02)

    def end(self, number: int) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        try:
            return self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout=10)
            pytest.fail(f"The server did not end:\n{self.log}")


@pytest.fixture
def server(own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    survivors = tmp_path / "survivors"
    monkeypatch.setenv("SURVIVORS", str(survivors))
    Bridge().add_profile(Profile("here", MachineRef("local")))
    server = Server(tmp_path)
    yield server
    if server.process is not None and server.process.poll() is None:
        server.process.kill()
        server.process.wait(timeout=10)
    for note in survivors.glob("*.json"):
        try:
            os.kill(json.loads(note.read_text())["pid"], signal.SIGKILL)
        except ProcessLookupError:
            continue


def execute(own_home: Path, kernel_id: str, code: str) -> str:
    client = BlockingKernelClient(connection_file=str(own_home / "runtime" / f"kernel-{kernel_id}.json"))
    client.load_connection_file()
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
def test_a_killed_server_has_its_kernel_back_before_it_answers_anybody(server: Server, own_home: Path) -> None:
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
def test_a_server_ends_although_a_start_failed(server: Server, own_home: Path) -> None:
    spec = own_home / "data" / "kernels" / "broken" / "kernel.json"
    spec.parent.mkdir()
    spec.write_text(json.dumps({"argv": ["/nowhere/to/be/found"], "display_name": "broken", "language": "python"}))
    server.start()
    server.ask("api/kernels", {"name": "gpu-bridge-here"})
    with pytest.raises(urllib.error.HTTPError):
        server.ask("api/kernels", {"name": "broken"})
    assert server.end(signal.SIGTERM) == 0
