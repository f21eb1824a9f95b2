"""A real Jupyter server in a process of its own, that can be killed and started again on the same port."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.ports import free_port

ROOT = Path(__file__).parents[1]
TOKEN = "a-token-of-this-test"


class Refused(Exception):
    """What the server answered instead."""

    def __init__(self, status: int, content: dict[str, Any]) -> None:
        super().__init__(status, content)
        self.status = status
        self.content = content


class JupyterServer:
    """With our extension; started and ended as often as the test likes, always at the same address."""

    def __init__(self, folder: Path, module: str = "jupyter_server") -> None:
        self._folder = folder
        self._module = module
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text()

    def start(self) -> None:
        root = self._folder / "root"
        root.mkdir(exist_ok=True)
        options = {
            "ip": "127.0.0.1",
            "port": self.port,
            "port_retries": 0,
            "root_dir": root,
            "open_browser": False,
            "allow_root": True,
            "jpserver_extensions": {"jupyter_gpu_bridge": True},
        }
        arguments = [f"--ServerApp.{name}={value}" for name, value in options.items()]
        with (self._folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self._module, *arguments, f"--IdentityProvider.token={TOKEN}"],
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )

    def ask(self, path: str, data: dict[str, Any] | None = None, method: str | None = None) -> Any:
        """The answer to the first request that is answered at all; raises `Refused`."""
        body = None if data is None else json.dumps(data).encode()
        headers = {"Authorization": f"token {TOKEN}"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/{path}", body, headers, method=method)
        deadline = time.monotonic() + 30
        while True:
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                    return json.loads(answer.read() or b"null")
            except urllib.error.HTTPError as refusal:
                raise Refused(refusal.code, json.loads(refusal.read())) from None
            except OSError:
                assert time.monotonic() < deadline, self.log
                time.sleep(0.02)

    def end(self, number: int) -> int:
        """Its exit status; fails when the signal does not end it."""
        assert self.process is not None
        self.process.send_signal(number)
        try:
            return self.process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"The server did not end:\n{self.log}") from None

    def kill(self) -> None:
        """As `kill -9` does; it may have ended already."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(timeout=10)
