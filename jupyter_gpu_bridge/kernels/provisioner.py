"""Translates between jupyter_client and the bridge, and keeps the promises that jupyter_client does not.

jupyter_client calls `kill` and `terminate` with a wrong `restart` flag, calls nothing at all when a start fails, takes
any exit code for a death that deserves a restart, and polls ten times a second; see the comments at each.
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any, cast

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase
from traitlets import Bool, Dict, Unicode

from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.errors import BridgeError, KernelFailed, LinkLost, Unreachable
from jupyter_gpu_bridge.machine.link import KernelOrder, RunningKernel
from jupyter_gpu_bridge.model import KernelId, MachineRef
from jupyter_gpu_bridge.rentals.observe import connection_info

SHUTDOWN_PATIENCE = 20.0
"""A far kernel with data loaders needs longer to end well than the 5 seconds that jupyter_client allows a near one."""
RETRY_FOR = 600.0
"""After a death by itself: how long a restart waits for the machine; raising then would freeze the kernel."""


class GpuBridgeProvisioner(KernelProvisionerBase):
    """One kernel on one machine of ours; the same instance lives through every restart of its kernel id."""

    machine = Unicode("local", help="Where to run: `local`, or `ssh:NAME` for an own host.").tag(config=True)
    python = Unicode(None, allow_none=True, help="The Python on the machine; found there when not given.").tag(
        config=True
    )
    folder = Unicode(None, allow_none=True, help="Where the kernel starts on the machine.").tag(config=True)
    environment = Dict(help="Variables for the kernel; null takes the value from this computer.").tag(config=True)
    keep = Bool(False, help="Whether the kernel goes on when its Jupyter server exits.").tag(config=True)

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._bridge = Bridge()
        self._kernel: RunningKernel | None = None
        self._process = False
        self._leaving = False
        self._died = False
        self._extra: tuple[str, ...] = ()
        self._variables: dict[str, str] = {}
        self._path = ""

    # starting ------------------------------------------------------------------------------------------------------

    async def pre_launch(self, **arguments: Any) -> dict[str, Any]:
        """Called before each launch, with the server's whole environment; only what the profile names goes further."""
        self._extra = tuple(arguments.pop("extra_arguments", None) or ())
        local = arguments.get("env") or os.environ
        self._path = local.get("JPY_SESSION_NAME", "")
        self._variables = {
            name: local[name] if value is None else str(value)
            for name, value in self.environment.items()
            if value is not None or name in local
        }
        self._variables.update({name: str(value) for name, value in (self.kernel_spec.env or {}).items()})
        return await super().pre_launch(cmd=[], **arguments)

    async def launch_kernel(self, cmd: list[str], **arguments: Any) -> KernelConnectionInfo:
        """Called for the first start and for each restart. Nothing is left behind when it raises or is cancelled."""
        self._leaving = False
        if self._kernel is None:
            await asyncio.to_thread(self._forget_connection_file)
            self._kernel = await self._bridge.start_kernel(MachineRef.parse(self.machine), self._order(), self._report)
        else:
            await self._restart(self._kernel)
        self._process = True
        info = connection_info(self._kernel.prefix, self._kernel.key.encode(), self._kernel.signature_scheme)
        self.connection_info = cast("KernelConnectionInfo", info)
        return self.connection_info

    def _forget_connection_file(self) -> None:
        """A server that was killed left it. When it says what we say, jupyter_client takes it for its own, and then
        misses what it never loaded from it."""
        left: str = self._manager.connection_file
        if left:
            Path(left).unlink(missing_ok=True)

    async def _restart(self, kernel: RunningKernel) -> None:
        give_up = asyncio.get_running_loop().time() + RETRY_FOR
        while True:
            try:
                await self._bridge.restart_kernel(kernel, self._order(), self._report)
                return
            except KernelFailed:
                # The restarter stops for good when a launch raises. If it is at work, let it see one more death:
                # it counts them, gives up after five, and then tells the front ends.
                if not self._died:
                    raise
                return
            except (Unreachable, LinkLost):
                if not self._died or asyncio.get_running_loop().time() > give_up:
                    raise
                await asyncio.sleep(2.0)

    def _order(self) -> KernelOrder:
        key = self._manager.session.key
        return KernelOrder(
            kernel_id=KernelId(str(self.kernel_id)),
            key=key.decode() if isinstance(key, bytes) else str(key),
            profile=self._manager.kernel_name.removeprefix("gpu-bridge-"),
            path=self._path,
            python=self.python,
            folder=self.folder,
            environment=self._variables,
            extra_arguments=self._extra,
            survives=self._serves_a_server(),
            signature_scheme=self._manager.session.signature_scheme,
        )

    @property
    def _manager(self) -> Any:
        """The KernelManager that made us."""
        return self.parent

    def _serves_a_server(self) -> bool:
        """A server comes back after a crash and wants its kernels; a script never does."""
        owner = getattr(self.parent, "parent", None)
        return owner is not None and getattr(owner, "parent", None) is not None

    def _report(self, name: str, text: str) -> None:
        self.log.info("%s: %s (%s)", self.machine, text, name)

    # the process ---------------------------------------------------------------------------------------------------

    @property
    def has_process(self) -> bool:
        return self._process

    async def poll(self) -> int | None:
        """Called every 3 seconds, at times ten times a second, by several callers at once: never waits for anything."""
        kernel = self._kernel
        if kernel is None or not self._process:
            return 0
        if kernel.is_detached:
            return 0
        if self._leaving and not kernel.is_reachable:
            self.log.warning("%s cannot be reached now; the kernel will be stopped as soon as it can be", self.machine)
            return -signal.SIGTERM
        if kernel.exit_code is not None and not self._manager.shutting_down:
            self._died = True
        return kernel.exit_code

    async def wait(self) -> int | None:
        """Called once `poll` has said that it is dead."""
        if self._kernel is not None and await self.poll() is None:
            await self._bridge.kernel_ended(self._kernel)
        self._process = False
        return await self.poll()

    async def send_signal(self, signum: int) -> None:
        if signum and self._kernel is not None and not self._kernel.is_detached:
            await self._bridge.signal_kernel(self._kernel, signum)

    async def kill(self, restart: bool = False) -> None:
        """Only the process: the flag is false even in a restart (jupyter_client issue 1061)."""
        await self.send_signal(signal.SIGKILL)

    async def terminate(self, restart: bool = False) -> None:
        """Only the process, as in `kill`."""
        await self.send_signal(signal.SIGTERM)

    async def shutdown_requested(self, restart: bool = False) -> None:
        """Called right after the kernel was sent a shutdown message; here the flag is true to life."""
        self._leaving = not restart
        self._died = False

    async def cleanup(self, restart: bool = False) -> None:
        """Called after each end, possibly twice, or on a kernel that never started; the flag is true to life."""
        kernel = self._kernel
        if restart or kernel is None:
            return
        self._kernel = None
        self._process = False
        if kernel.is_detached:
            self._bridge.let_be(kernel)
            return
        try:
            confirmed = await self._bridge.release_kernel(kernel)
        except BridgeError as error:
            self.log.warning("The kernel could not be stopped properly: %s", error)
            return
        if not confirmed:
            self.log.warning("%s has not confirmed yet that the kernel ended; its link goes on asking", self.machine)

    def get_shutdown_wait_time(self, recommended: float = 5.0) -> float:
        return max(recommended, SHUTDOWN_PATIENCE)

    def resolve_path(self, path: str) -> str | None:
        """Called to turn a path in a traceback into a file of this computer; there is none."""
        return None
