"""A real JupyterLab in a process of its own: its own folders, its own token, loopback only.

What it starts and leaves behind (links, keepers, kernels) lives in its folders, and ends with it.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from tests.ports import free_port
from tests.processes import end_processes, living_below

_START_LIMIT = 60.0
_STOP_LIMIT = 30.0
_ANSWER_LIMIT = 60.0

_CONFIG = {
    # Tests change the theme by its commands, and ask it for its plugins.
    "LabApp": {"expose_app_in_browser": True},
    "JupyterNotebookApp": {"expose_app_in_browser": True},
    "ServerApp": {"ip": "127.0.0.1", "open_browser": False, "port_retries": 0},
}

# The first start asks whether to fetch news, in a toast that lies over the page.
_NO_NEWS = {"fetchNews": "false", "checkForUpdates": False}


class Lab:
    """Started, stopped or killed, and started again on the same port with the same folders and token."""

    def __init__(self, folder: Path, module: str = "jupyterlab") -> None:
        """`module` is the program, as after `python -m`."""
        self.folder = folder
        self._module = module
        self.token = secrets.token_hex(16)
        self.port = free_port()
        self.log: deque[str] = deque(maxlen=400)
        self.work = self._folder("work")
        self._process: subprocess.Popen[str] | None = None
        self._environment = self._own_environment()
        config = Path(self._environment["JUPYTER_CONFIG_DIR"])
        notification = config / "lab/user-settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
        notification.parent.mkdir(parents=True)
        notification.write_text(json.dumps(_NO_NEWS))
        for program in ("jupyter_lab", "jupyter_notebook"):
            (config / f"{program}_config.json").write_text(json.dumps(_CONFIG))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self._running().pid

    def start(self) -> None:
        """Raises, with what the server said last, when it is not up in time."""
        ready = threading.Event()
        self._process = subprocess.Popen(
            [sys.executable, "-m", self._module, f"--port={self.port}", "--allow-root"],
            cwd=self.work,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        # Not joined at the end: what outlives the server, as a link does, keeps its error stream open.
        threading.Thread(target=self._read, args=(self._process, ready), daemon=True).start()
        if not ready.wait(_START_LIMIT) or not self._listens():
            self.kill()
            raise RuntimeError("JupyterLab did not start:\n" + "".join(self.log))

    def stop(self) -> None:
        """As an administrator does it: kernels are shut down first."""
        process = self._running()
        process.send_signal(signal.SIGTERM)
        self._ended(process)

    def kill(self) -> None:
        """As a power cut does it: nothing is said to anybody."""
        process = self._running()
        process.kill()
        self._ended(process)

    def close(self) -> None:
        """Stop it if it runs, and end what has outlived it."""
        try:
            if self._process is not None:
                self.stop()
        finally:
            end_processes(self.processes())

    def processes(self) -> Sequence[psutil.Process]:
        """All that live in its folders: itself, links, agents, keepers, kernels."""
        return living_below(self.folder)

    def gpu(self, *arguments: str) -> str:
        """What `jupyter gpu` answers to its user; raises, with what it said, when it refuses."""
        done = subprocess.run(
            [sys.executable, "-m", "jupyter_gpu_bridge.cli", *arguments],
            cwd=self.work,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_ANSWER_LIMIT,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"jupyter gpu {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def get(self, path: str) -> Any:
        """What the server answers under this path, as any client of it would ask."""
        request = urllib.request.Request(f"{self.url}/{path}", headers={"Authorization": f"token {self.token}"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=_ANSWER_LIMIT) as answer:  # noqa: S310 - loopback, by http
            return json.load(answer)

    def _listens(self) -> bool:
        """It binds its port a moment after it has announced it."""
        give_up = time.monotonic() + _START_LIMIT
        while self._running().poll() is None and time.monotonic() < give_up:
            with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", self.port), _START_LIMIT):
                return True
            time.sleep(0.02)
        return False

    def _running(self) -> subprocess.Popen[str]:
        assert self._process is not None, "this JupyterLab does not run"
        return self._process

    def _ended(self, process: subprocess.Popen[str]) -> None:
        try:
            process.wait(_STOP_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise RuntimeError("JupyterLab did not stop:\n" + "".join(self.log)) from None
        finally:
            self._process = None

    def _read(self, process: subprocess.Popen[str], ready: threading.Event) -> None:
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                self.log.append(line)
                if " is running at:" in line:
                    ready.set()
        ready.set()  # it ended: no need to wait any longer

    def _folder(self, name: str) -> Path:
        path = self.folder / name
        path.mkdir(mode=0o700, parents=True)
        return path

    def _own_environment(self) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("JUPYTER", "IPYTHON", "PYTEST", "XDG_"))
        }
        return inherited | {
            "HOME": str(self._folder("home")),
            "IPYTHONDIR": str(self._folder("ipython")),
            "JUPYTER_CONFIG_DIR": str(self._folder("config")),
            "JUPYTER_DATA_DIR": str(self._folder("data")),
            "JUPYTER_GPU_BRIDGE_HOME": str(self._folder("gb")),
            "JUPYTER_RUNTIME_DIR": str(self._folder("run")),
            "JUPYTER_TOKEN": self.token,
        }
