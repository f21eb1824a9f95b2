"""Translates between jupyter_client and the bridge, and keeps the promises that jupyter_client does not.

jupyter_client calls `kill` and `terminate` with a wrong `restart` flag, calls nothing at all when a start fails or when
it gives a kernel up, takes any exit code for a death that deserves a restart, lets a restart and a shutdown run into
each other, and polls ten times a second; see the comments at each.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import Any, cast

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase
from traitlets import Bool, Dict, Float, TraitError, Unicode

from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.errors import (
    BadRequest,
    BridgeError,
    KernelFailed,
    LinkLost,
    RentalEnded,
    StartCancelled,
    Unreachable,
)
from jupyter_gpu_bridge.kernels.served import served
from jupyter_gpu_bridge.machine.link import KernelOrder, RunningKernel
from jupyter_gpu_bridge.model import RENTED, KernelId, MachineRef
from jupyter_gpu_bridge.naming import CHANGED, NOTICE, profile_name
from jupyter_gpu_bridge.rentals.observe import connection_info

SHUTDOWN_PATIENCE = 20.0
"""A far kernel with data loaders needs longer to end well than the 5 seconds that jupyter_client allows a near one."""
RETRY_FOR = 600.0
"""After a death by itself: how long a restart waits for the machine; raising then would freeze the kernel."""
RETRY_EVERY = 2.0
END_PATIENCE = 5.0
TELL_AFTER = 1.0


class GpuBridgeProvisioner(KernelProvisionerBase):
    """One kernel on one machine of ours; the same instance lives through every restart of its kernel id."""

    machine = Unicode("local", help="Where to run: `local`, or `ssh:NAME` for an own host.").tag(config=True)
    order = Dict(help="What to rent when `machine` is `rental`; see the guide.").tag(config=True)
    python = Unicode(None, allow_none=True, help="The Python on the machine; found there when not given.").tag(
        config=True
    )
    folder = Unicode(None, allow_none=True, help="Where the kernel starts on the machine.").tag(config=True)
    environment = Dict(help="Variables for the kernel; null takes the value from this computer.").tag(config=True)
    keep = Bool(False, help="Whether the kernel goes on when its Jupyter server exits.").tag(config=True)
    orphan_grace = Float(
        30.0, help="Seconds that a kernel outlives a script (nbclient, papermill, a console) that was killed."
    ).tag(config=True)

    def __init__(self, **arguments: Any) -> None:
        """`arguments` come from a kernelspec; raises `BadRequest` where traitlets would only mumble."""
        unknown = sorted(set(arguments) - set(self.trait_names()))
        advice = "Mend it in its kernel.json, or make the profile again: jupyter gpu profiles add"
        if unknown:
            what = f"The kernelspec has a setting {unknown[0]!r}, which means nothing here."
            raise served(BadRequest(what, advice=advice))
        try:
            super().__init__(**arguments)
        except TraitError as error:
            what = f"The kernelspec has a setting of the wrong kind: {error}"
            raise served(BadRequest(what, advice=advice)) from None
        self._bridge = Bridge()
        self._kernel: RunningKernel | None = None
        self._process = False
        self._ending = False
        """A shutdown or restart has begun, and jupyter_client waits for the process to end."""
        self._died = False
        """It ended by itself, and the restarter is or will be at work."""
        self._replacing = False
        """A restart has begun, by whoever."""
        self._overtaken = False
        """A shutdown has ended the kernel while a restart was under way."""
        self._between = False
        """A restart has ended the process and not yet launched another: jupyter_client rests for a moment there."""
        self._too_late = False
        """That restart goes on as if nothing had happened, and must not bring the kernel back."""
        self._told_of_waiting = False
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
        self._ending = False
        try:
            if self._too_late:
                raise StartCancelled("The kernel was shut down while it was being restarted.")
            if self._kernel is None:
                self._kernel = await self._start()
            else:
                await self._restart(self._kernel)
        except BridgeError as error:
            # Without the one it stems from: programs without a server print a traceback, and it would be there twice.
            raise served(error) from None
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            what = f"This computer could not prepare the start of the kernel: {error.strerror or error}{where}."
            raise served(BridgeError(what, advice="`jupyter gpu doctor` looks at it.")) from error
        finally:
            self._died = self._replacing = self._overtaken = self._between = self._too_late = False
            self._told_of_waiting = False
        self._process = True
        info = connection_info(self._kernel.prefix, self._kernel.key.encode(), self._kernel.signature_scheme)
        self.connection_info = cast("KernelConnectionInfo", info)
        return self.connection_info

    async def post_launch(self, **arguments: Any) -> None:
        """Called when the restarter is there. It gives a kernel up without telling us, but it tells front ends."""
        self._manager.remove_restart_callback(self._given_up, "dead")
        self._manager.add_restart_callback(self._given_up, "dead")

    async def _start(self) -> RunningKernel:
        kernel = await self._bridge.start_kernel(await self._choose_machine(), self._order(), self._report)
        task = asyncio.current_task()
        if task is not None:
            task.add_done_callback(self._started)
        self._forget_connection_file()
        return kernel

    async def _choose_machine(self) -> MachineRef:
        """With an order it is rented as the kernel starts, unless another kernel of the profile has it already."""
        machine = MachineRef.parse(self.machine)
        if machine != RENTED:
            return machine
        rented = await self._bridge.machine_for(f"profile:{self._profile}", self.order, f"kernel {self.kernel_id}")
        self._emit(CHANGED, {"revision": 0})  # a page shows how far it is, and looks by itself now and then at most
        return rented

    def _forget_connection_file(self) -> None:
        """A server that was killed left it. When it says what we say, jupyter_client takes it for its own, and then
        misses what it never loaded from it. Before the start it may still be that of whoever has the kernel."""
        left: str = self._manager.connection_file
        if left:
            with contextlib.suppress(OSError):  # what matters of that, jupyter_client meets itself in a moment
                os.unlink(left)

    def _started(self, task: asyncio.Task[Any]) -> None:
        """jupyter_client does some more after a launch, and rests for a moment. When that fails, or is cancelled, it
        tells nobody but its `ready`, which then has an exception or never comes."""
        kernel, ready = self._kernel, self._manager.ready
        has_failed = ready.cancelled() or ready.exception() is not None if ready.done() else task.cancelled()
        if kernel is None or not has_failed:
            return
        if kernel.is_fresh:
            self._given_up()
        else:
            self._forget()
            self._bridge.let_be(kernel)

    async def _restart(self, kernel: RunningKernel) -> None:
        give_up = asyncio.get_running_loop().time() + (RETRY_FOR if self._died else END_PATIENCE)
        while True:
            try:
                await self._restart_once(kernel)
                return
            except (KernelFailed, RentalEnded, StartCancelled):
                # The restarter stops for good when a launch raises. If it is at work, let it see one more death:
                # it counts them, gives up after five, and then tells the front ends.
                if self._died:
                    return
                # Asked for by a user, who may try again or delete it; of a delete we would not hear any more.
                self._given_up()
                raise
            except (Unreachable, LinkLost) as error:
                patient = self._died or isinstance(error, LinkLost)
                if not patient or asyncio.get_running_loop().time() > give_up:
                    raise
                await asyncio.sleep(RETRY_EVERY if self._died else 0.1)
            if self._kernel is not kernel:
                raise StartCancelled("The kernel was shut down while it was being restarted.")

    async def _restart_once(self, kernel: RunningKernel) -> None:
        """The machine does it when it can be reached; until then the page shows nothing, so it is told."""
        restart = asyncio.ensure_future(self._bridge.restart_kernel(kernel, self._order(), self._report))
        try:
            while not restart.done():
                await asyncio.wait([restart], timeout=TELL_AFTER)
                if not (restart.done() or kernel.is_reachable or self._told_of_waiting):
                    self._told_of_waiting = True
                    name = MachineRef.parse(self.machine).name or "This computer"
                    self._tell(f"{name} cannot be reached now. The restart will be done when it is back.")
            await restart
        finally:
            if not restart.done():
                restart.cancel()
                await asyncio.wait([restart])

    def _tell(self, text: str) -> None:
        """Whoever has a page open."""
        self.log.warning("%s: %s", self.kernel_id, text)
        self._emit(NOTICE, {"kernel_id": str(self.kernel_id), "text": text})

    def _emit(self, schema: str, data: dict[str, Any]) -> None:
        """A script has no pages, and nothing to tell them by."""
        events = getattr(self._manager, "event_logger", None)
        if events is not None and schema in events.schemas:
            events.emit(schema_id=schema, data=data)

    def _order(self) -> KernelOrder:
        key = self._manager.session.key
        return KernelOrder(
            kernel_id=KernelId(str(self.kernel_id)),
            key=key.decode() if isinstance(key, bytes) else str(key),
            profile=self._profile,
            path=self._path,
            python=self.python,
            folder=self.folder,
            environment=self._variables,
            extra_arguments=self._extra,
            survives=self._serves_a_server(),
            grace=self.orphan_grace,
            signature_scheme=self._manager.session.signature_scheme,
        )

    @property
    def _profile(self) -> str:
        return profile_name(self._manager.kernel_name)

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
        """What is kept over the end of its server is none of jupyter_client's, which would interrupt its cell."""
        return self._process and not (self._kernel is not None and self._kernel.is_detached)

    async def poll(self) -> int | None:
        """Called every 3 seconds, at times ten times a second, by several callers at once: never waits for anything."""
        kernel = self._kernel
        if kernel is None or not self.has_process:
            return 0
        if self._ending and not kernel.is_reachable:
            return -signal.SIGTERM
        if kernel.exit_code is not None and not self._manager.shutting_down:
            if not self._died:
                self.log.warning("%s on %s: %s", self.kernel_id, self.machine, kernel.cause)
            self._died = self._replacing = True
            if kernel.is_over:
                self._refuse_restart()
        return kernel.exit_code

    async def wait(self) -> int | None:
        """Called once `poll` has said that it is dead."""
        kernel = self._kernel
        if kernel is not None and not kernel.is_reachable and kernel.exit_code is None:
            self.log.warning("%s cannot be reached now; what was asked is done as soon as it can be", self.machine)
        elif kernel is not None and not kernel.is_detached:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._bridge.kernel_ended(kernel), END_PATIENCE)
        self._process = False
        return kernel.exit_code if kernel is not None else 0

    async def send_signal(self, signum: int) -> None:
        """Called by users, and at the begin of each shutdown, which must go on also when nobody can be told."""
        kernel = self._kernel
        if not signum or kernel is None or kernel.exit_code is not None or not self.has_process:
            return
        try:
            await self._bridge.signal_kernel(kernel, signum)
        except BridgeError as error:
            if not self._manager.shutting_down:
                raise
            self.log.warning("The kernel could not be sent %s: %s", signal.Signals(signum).name, error)

    async def kill(self, restart: bool = False) -> None:
        """Only the process: the flag is false even in a restart (jupyter_client issue 1061)."""
        await self._end_process(signal.SIGKILL)

    async def terminate(self, restart: bool = False) -> None:
        """Only the process, as in `kill`."""
        await self._end_process(signal.SIGTERM)

    async def _end_process(self, number: signal.Signals) -> None:
        self._ending = True
        await self.send_signal(number)

    async def shutdown_requested(self, restart: bool = False) -> None:
        """Called right after the kernel was sent a shutdown message; here the flag is true to life."""
        self._ending = True
        self._died = False
        if restart:
            self._replacing, self._overtaken = True, False

    async def cleanup(self, restart: bool = False) -> None:
        """Called after each end, possibly twice, or on a kernel that never started; the flag is true to life."""
        if restart:
            self._too_late = self._kernel is None and self._overtaken
            self._between = True
            return
        kernel = self._part()
        if kernel is None:
            return
        try:
            confirmed = await self._bridge.release_kernel(kernel)
        except BridgeError as error:
            self.log.warning("The kernel could not be stopped properly: %s", error)
            return
        if not confirmed:
            self.log.warning("%s has not confirmed yet that the kernel ended; its link goes on asking", self.machine)

    def _given_up(self) -> None:
        """The restarter has: the server strikes the kernel off its list and calls nothing more."""
        kernel = self._part()
        if kernel is None:
            return
        self._manager.cleanup_connection_file()
        self._bridge.release_kernel_soon(kernel)

    def _part(self) -> RunningKernel | None:
        """The kernel that is to be released now, which is not ours any more; one that goes on without us is let be."""
        kernel = self._kernel
        if kernel is None:
            return None
        self._forget()
        if kernel.is_detached:
            self._bridge.let_be(kernel)
            return None
        return kernel

    def _forget(self) -> None:
        self._kernel = None
        self._process = False
        self._overtaken = self._replacing
        self._too_late = self._too_late or self._between

    def _refuse_restart(self) -> None:
        """Front ends are told "dead" by a restarter that gives up, and by nothing else."""
        restarter = getattr(self._manager, "_restarter", None)
        if restarter is not None:
            restarter.restart_limit = 0

    def get_shutdown_wait_time(self, recommended: float = 5.0) -> float:
        return max(recommended, SHUTDOWN_PATIENCE)

    def resolve_path(self, path: str) -> str | None:
        """Called to turn a path in a traceback into a file of this computer; there is none."""
        return None
