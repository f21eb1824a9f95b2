"""A real JupyterLab in a process of its own: its own folders, its own token, loopback only."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path

from tests.ports import free_port

_START_LIMIT = 60.0
_STOP_LIMIT = 30.0

_CONFIG = {
    "LabApp": {"expose_app_in_browser": True},  # tests change the theme by its commands
    "ServerApp": {"ip": "127.0.0.1", "open_browser": False, "port_retries": 0},
}

# The first start asks whether to fetch news, in a toast that lies over the page.
_NO_NEWS = {"fetchNews": "false", "checkForUpdates": False}


class Lab:
    """Started, stopped or killed, and started again on the same port with the same folders and token."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
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
        (config / "jupyter_lab_config.json").write_text(json.dumps(_CONFIG))

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
            [sys.executable, "-m", "jupyterlab", f"--port={self.port}", "--allow-root"],
            cwd=self.work,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        # Not joined at the end: what outlives the server, as a link does, keeps its error stream open.
        threading.Thread(target=self._read, args=(self._process, ready), daemon=True).start()
        if not ready.wait(_START_LIMIT) or self._process.poll() is not None:
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
        """Stop it if it runs."""
        if self._process is not None:
            self.stop()

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
