"""A real Jupyter server in a process of its own, with our extension."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.ports import free_port

TOKEN = "a-token-of-this-test"


class Refused(Exception):
    """What the server answered instead."""

    def __init__(self, status: int, content: dict[str, Any]) -> None:
        super().__init__(status, content)
        self.status = status
        self.content = content


class JupyterServer:
    """Started and ended as often as the test likes, always at the same address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text()

    def start(self) -> None:
        (self._folder / "root").mkdir(exist_ok=True)
        options = {"ip": "127.0.0.1", "port": self._port, "port_retries": 0, "open_browser": False, "allow_root": True}
        options |= {"root_dir": self._folder / "root", "jpserver_extensions": '{"jupyter_gpu_bridge": True}'}
        arguments = [f"--ServerApp.{name}={value}" for name, value in options.items()]
        with (self._folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyter_server", *arguments, f"--IdentityProvider.token={TOKEN}"],
                cwd=Path(__file__).parents[2],
                stdout=log,
                stderr=log,
            )

    async def ask(self, path: str, data: dict[str, Any] | None = None, method: str | None = None) -> Any:
        return await asyncio.to_thread(self._ask, path, data, method)

    def _ask(self, path: str, data: dict[str, Any] | None, method: str | None) -> Any:
        body = None if data is None else json.dumps(data).encode()
        headers = {"Authorization": f"token {TOKEN}"}
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}/{path}", body, headers, method=method)
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

    async def end(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        await asyncio.to_thread(self.process.wait, 40)
