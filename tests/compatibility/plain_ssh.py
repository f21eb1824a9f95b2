"""A peer to compare with: what a careful user does by hand, one ipykernel at the far end and one `ssh -N -L` for it.

The tunnel is dialled again when it ends, as autossh would, and the kernel is detached, so that a cut does not end it.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import signal
import socket
import subprocess
import threading
import time
from importlib.metadata import EntryPoint
from typing import Any, cast

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase
from traitlets import Unicode

from tests.ports import free_port

NAME = "plain-ssh"
VALUE = f"{__name__}:PlainSsh"

_PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
_INFO = {"transport": "tcp", "ip": "127.0.0.1", "signature_scheme": "hmac-sha256"}

_DEADLINE = 20.0
_REDIAL_AFTER = 0.3

_FAR_SIDE = """
import json, os, subprocess, sys, tempfile, time
info = json.loads(sys.stdin.readline())
path = os.path.join(tempfile.mkdtemp(dir=os.path.expanduser("~")), "kernel.json")
with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
    json.dump(info, file)
nothing = subprocess.DEVNULL
argv = [sys.executable, "-m", "ipykernel_launcher", "-f", path]
kernel = subprocess.Popen(argv, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)
while kernel.poll() is None:
    try:
        info = json.load(open(path))
        if all(info[name] for name in info if name.endswith("_port")):
            break
    except ValueError:
        pass
    time.sleep(0.01)
print(json.dumps(dict(info, pid=kernel.pid)), flush=True)
code = kernel.wait()
sys.exit(code if 0 <= code < 255 else 137)
"""

_LOST = 255
"""What ssh itself exits with: the connection is gone, and nothing is known about the kernel."""


def register() -> None:
    """Make the provisioner known to this process, as an installed package would through its entry point."""
    group = KernelProvisionerFactory.GROUP_NAME
    KernelProvisionerFactory.provisioners[NAME] = EntryPoint(name=NAME, value=VALUE, group=group)


class PlainSsh(KernelProvisionerBase):
    ssh_config = Unicode(config=True)
    alias = Unicode(config=True)
    python = Unicode(config=True)

    _session: subprocess.Popen[str] | None = None
    _tunnel: _Tunnel | None = None
    _ended: int | None = None
    _pid = 0
    _local_ports: dict[str, int]

    @property
    def has_process(self) -> bool:
        return self._session is not None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        kwargs.pop("extra_arguments", None)
        return await super().pre_launch(cmd=[], **kwargs)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        if not hasattr(self, "_local_ports"):
            self._local_ports = {name: free_port() for name in _PORTS}
        assert self.parent is not None
        key = self.parent.session.key
        far = await asyncio.to_thread(self._launch, key)
        if self._tunnel is not None:
            await asyncio.to_thread(self._tunnel.close)
        self._tunnel = _Tunnel(
            [*self._ssh(), "-N", "-o", "ExitOnForwardFailure=yes"]
            + [f"-L127.0.0.1:{self._local_ports[name]}:127.0.0.1:{far[name]}" for name in _PORTS]
            + [self.alias],
            self._local_ports["shell_port"],
        )
        await asyncio.to_thread(self._tunnel.wait_until_open)
        return cast(KernelConnectionInfo, {**_INFO, "key": key, **self._local_ports})

    async def poll(self) -> int | None:
        if self._ended is not None or self._session is None:
            return self._ended
        code = self._session.poll()
        return None if code == _LOST else code

    async def wait(self) -> int | None:
        session, self._session = self._session, None
        if session is not None:
            session.kill()
            await asyncio.to_thread(session.communicate)
        return self._ended

    async def send_signal(self, signum: int) -> None:
        if signum:
            command = [*self._ssh(), self.alias, "kill", f"-{signum}", f"-{self._pid}"]
            await asyncio.to_thread(subprocess.run, command, stderr=subprocess.DEVNULL, timeout=_DEADLINE)

    async def kill(self, restart: bool = False) -> None:
        await self.send_signal(signal.SIGKILL)
        self._ended = -signal.SIGKILL

    async def terminate(self, restart: bool = False) -> None:
        await self.send_signal(signal.SIGTERM)

    async def cleanup(self, restart: bool = False) -> None:
        if not restart and self._tunnel is not None:
            await asyncio.to_thread(self._tunnel.close)
            self._tunnel = None

    def _ssh(self) -> list[str]:
        return ["ssh", "-F", self.ssh_config]

    def _launch(self, key: bytes) -> dict[str, int]:
        command = [*self._ssh(), self.alias, shlex.join([self.python, "-c", _FAR_SIDE])]
        pipe = subprocess.PIPE
        session = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
        assert session.stdin is not None
        assert session.stdout is not None
        session.stdin.write(json.dumps({**_INFO, "key": key.decode(), **dict.fromkeys(_PORTS, 0)}) + "\n")
        session.stdin.flush()
        answer = session.stdout.readline()
        if not answer:
            raise RuntimeError(f"no kernel came up over ssh, which exited with {session.wait(_DEADLINE)}")
        far: dict[str, int] = json.loads(answer)
        self._session, self._ended, self._pid = session, None, far["pid"]
        return far


class _Tunnel:
    """One `ssh -N -L ...`, dialled again whenever it ends."""

    def __init__(self, command: list[str], port: int) -> None:
        self._command = command
        self._port = port
        self._closing = threading.Event()
        self._process = self._dial()
        self._thread = threading.Thread(target=self._keep_up, daemon=True)
        self._thread.start()

    def wait_until_open(self) -> None:
        until = time.monotonic() + _DEADLINE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.005)
            else:
                return

    def close(self) -> None:
        self._closing.set()
        self._process.kill()
        self._thread.join()

    def _dial(self) -> subprocess.Popen[bytes]:
        nothing = subprocess.DEVNULL
        return subprocess.Popen(self._command, stdin=nothing, stdout=nothing, stderr=nothing)

    def _keep_up(self) -> None:
        self._process.wait()
        while not self._closing.wait(_REDIAL_AFTER):
            self._process = self._dial()
            if self._closing.is_set():
                self._process.kill()
            self._process.wait()
