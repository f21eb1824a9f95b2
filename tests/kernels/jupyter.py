"""A real Jupyter server for tests that must not wait for it with their event loop."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path
from typing import Any

from tests import jupyter_server


class JupyterServer:
    """The same, asked from a coroutine."""

    def __init__(self, folder: Path) -> None:
        self._server = jupyter_server.JupyterServer(folder)

    @property
    def log(self) -> str:
        return self._server.log

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        return self._server.process

    def start(self) -> None:
        self._server.start()

    async def ask(self, path: str, data: dict[str, Any] | None = None, method: str | None = None) -> Any:
        return await asyncio.to_thread(self._server.ask, path, data, method)

    async def end(self, number: int) -> None:
        await asyncio.to_thread(self._server.end, number)

    def kill(self) -> None:
        self._server.kill()
