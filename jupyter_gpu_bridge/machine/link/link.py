"""The link: one process per machine that keeps the carrier up and shows each kernel to its clients.

It outlives whoever started it. What it must not forget (which kernels, what was accepted and not yet acknowledged, what
clients already have) is on disk, so that it can be killed at any instant and its successor goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import shutil
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jupyter_gpu_bridge import settings
from jupyter_gpu_bridge.agent.mux import URGENT, Mux
from jupyter_gpu_bridge.errors import BadRequest, BridgeError, KernelFailed, KernelTaken, KernelUnknown, PeerMisbehaved
from jupyter_gpu_bridge.files import replace_file
from jupyter_gpu_bridge.in_time import in_time
from jupyter_gpu_bridge.machine.carriers.base import Dialer
from jupyter_gpu_bridge.machine.link import boot
from jupyter_gpu_bridge.machine.link.connection import Connection
from jupyter_gpu_bridge.machine.link.kernel import LinkedKernel
from jupyter_gpu_bridge.machine.link.log import one_line
from jupyter_gpu_bridge.machine.link.questions import CarrierLost, Questions
from jupyter_gpu_bridge.machine.link.record import KernelOrder, load_all
from jupyter_gpu_bridge.machine.link.renter import Renter
from jupyter_gpu_bridge.machine.link.ssh_agents import SshAgents
from jupyter_gpu_bridge.machine.link.stages import Report, StageWatch, remember, typical_of
from jupyter_gpu_bridge.machine.link.target import Target
from jupyter_gpu_bridge.model import KernelId

READY_PATIENCE = 60.0
CHECK_PATIENCE = 400.0
"""Longer than the machine itself waits, for a check that somebody has asked for before and for this one."""
ANSWER_PATIENCE = 5.0
LOOK_AGAIN = 0.02
STOP_PATIENCE = 12.0
IDLE_LIFE = 600.0
DEAD_LIFE = 600.0
"""A kernel that ended and that nobody restarts for so long is let go: jupyter_client does not say when it gives up."""

log = logging.getLogger(__name__)

Reach = Callable[[Target, "str | None"], Dialer]
"""Given a target and a passphrase, how to get there."""


class Link:
    """All that one process does for one machine."""

    def __init__(self, folder: Path, reach: Reach, renter: Renter | None = None) -> None:
        """With a `renter` the machine is found when it is needed first, and whoever asks need not know where it is."""
        self._folder = folder
        self._reach = reach
        self._renter = renter
        self._target = Target.load(folder)
        self._aiming = asyncio.Lock()
        self._checking = asyncio.Lock()
        self._ssh_agents = SshAgents()
        self.passphrase: str | None = None
        """Of the key that opens the machine; in memory only."""
        self._kernels: dict[KernelId, LinkedKernel] = {}
        self._owners: dict[KernelId, object] = {}
        self._orphaned: dict[KernelId, float] = {}
        self._questions: Questions | None = None
        self._listeners: set[Callable[[], None]] = set()
        self.identity = _identity(folder)
        self.connection = Connection(
            self._dialer,
            self._command,
            self.identity,
            came=self._came,
            went=self._went,
            changed=self._changed,
            wanted=lambda: any(kernel.was_connected for kernel in self._kernels.values()),
        )
        self.checks = 0
        """How many have its GPUs measured just now: a machine that is measured is used."""
        self._quiet_since = time.monotonic()
        self.done = asyncio.Event()

    async def open(self) -> None:
        """Take up what an earlier link of this machine left."""
        for order in load_all(self._folder / "kernels"):
            try:
                kernel = await self._adopt(order)
            except (BridgeError, OSError):
                # The others can be served all the same; this one stays as it is for the next link.
                log.exception("kernel %s cannot be taken up", order.kernel_id)
                continue
            kernel.was_connected = True
            if kernel.was_stopping:
                kernel.stop()
            elif not order.survives:
                # Its script may have died together with the last link; if not, it claims the kernel at once.
                self._orphaned[order.kernel_id] = time.monotonic()
        if self._kernels:
            self.connection.start()

    async def close(self) -> None:
        await self.connection.down()
        for kernel in self._kernels.values():
            await kernel.close(forget=False)

    # what can be asked ---------------------------------------------------------------------------------------------

    async def be_told(self, target: Target) -> None:
        """Whoever asks something says which machine is meant; one that was found for us only we know."""
        if self._renter is None:
            await self.aim(target)

    async def aim(self, target: Target) -> None:
        """From now on this is the machine; raises `BadRequest` while kernels of another one are here."""
        async with self._aiming:
            if self._target is not None and not target.leads_to(self._target):
                if self._renter is None:
                    self._refuse_to_leave("This name stood for another machine before, where kernels still run")
                log.info("the machine of this name is another one now: leaving the old one")
                await self._leave()
            if target != self._target:
                self._target = target
                target.save(self._folder)

    async def leave(self) -> None:
        """The machine is wanted no more; raises `BadRequest` while kernels run on it."""
        async with self._aiming:
            self._refuse_to_leave("This machine cannot be removed while kernels run on it")
            await self._leave()
            self._target = None
            Target.forget(self._folder)
        if not self._listeners:
            self.done.set()

    def look(self) -> None:
        """Somebody has written down something about this machine that its renter is to know now."""
        if self._renter is not None:
            self._renter.look()

    def release(self, because: str) -> None:
        """End the machine, whether or not that can be written down. Raises `BadRequest` where it is not rented."""
        if self._renter is None:
            raise BadRequest("This machine is not a rented one.")
        self._renter.release(because)

    async def check(self, *, anew: bool = False) -> dict[str, Any]:
        """Enter the machine afresh, and say what is there, and which Python a kernel will have.

        With `anew` running kernels change their carrier as well.
        """
        async with self._checking:
            if anew or not self._kernels:
                await self.connection.down()
            elif self.connection.mux is not None:
                await self.connection.probe()
            await self.connection.up()
            python = self._target.python if self._target is not None else None
            foreseen = await self._ask({"do": "foresee", "python": python})
            return {**await self._ask({"do": "figures"}), "foreseen": foreseen}

    async def check_gpus(self, report: Report) -> str:
        """What the machine says that its GPUs do, in its own words; it is given up there when we are cancelled here."""
        report("connecting", "connecting to the machine")
        self._known_target()
        await self.connection.up()
        question = {"do": "check-gpus", "python": self._known_target().python}
        self.checks += 1
        try:
            asked = self._ask(question, lambda text: report("measuring", text))
            answer = await in_time(asked, CHECK_PATIENCE)
        except asyncio.TimeoutError:
            raise PeerMisbehaved("The machine does not come to an answer about its GPUs.") from None
        finally:
            self.checks -= 1
        return str(answer["report"])

    async def arrive(self, report: Report) -> None:
        """Be connected to the machine, which may have to be found first."""
        with self._telling_outcome():
            await self._find(report)
            await self.connection.up()
        report("ready", "the machine can be used")

    async def start(self, order: KernelOrder, owner: object, report: Report) -> LinkedKernel:
        """Start this kernel id, or attach to it when it runs already and nobody has it."""
        kernel = self._kernels.get(order.kernel_id)
        if kernel is not None:
            holder = self._owners.get(order.kernel_id)
            if holder is not None and holder is not owner:
                raise KernelTaken(
                    f"The kernel {order.kernel_id} is already run by another program on this computer ({holder}).",
                    advice="Stop it there first, or connect to it from there.",
                )
            await self._hear_of(kernel)
            if kernel.exit_code is None and not kernel.is_stopping:
                self.claim(order.kernel_id, owner)
                kernel.facade.ensure_bound()
                kernel.facade.hold_shutdown(False)
                return kernel
            await self._replace(kernel, report)
        self._owners[order.kernel_id] = owner
        with self._telling_outcome():
            return await self._start_new(order, report)

    async def relaunch(self, order: KernelOrder, owner: object, report: Report) -> LinkedKernel:
        """A new process for a kernel id that was started before: same machine, same sockets."""
        kernel = self._kernels.get(order.kernel_id)
        if kernel is None or kernel.keeper_gone or kernel.is_stopping:
            return await self.start(order, owner, report)
        self.claim(order.kernel_id, owner)
        report("starting", "restarting the kernel in its place")
        kernel.facade.ensure_bound()
        kernel.facade.hold_shutdown(False)
        if not kernel.life:  # ours was killed just now: the keeper must say first which process it is to replace
            await kernel.news(ANSWER_PATIENCE)
        kernel.relaunch(order)
        await self._ready(kernel, f"`jupyter gpu kernels log {order.kernel_id[:8]}` shows what it printed.")
        return kernel

    async def stop(self, kernel_id: KernelId) -> bool:
        """End a kernel for good; whether the machine has confirmed it yet (else it will be told when it can be)."""
        kernel = self._kernels.get(kernel_id)
        if kernel is None:
            return await self._stop_foreign(kernel_id)
        kernel.stop()
        give_up = time.monotonic() + STOP_PATIENCE
        while not kernel.has_ended and self.connection.mux is not None and time.monotonic() < give_up:
            await kernel.news(LOOK_AGAIN if kernel.exit_code is not None else give_up - time.monotonic())
        if kernel.has_ended:
            await self._let_go(kernel)
        return kernel.has_ended

    def has(self, kernel_id: KernelId) -> bool:
        return kernel_id in self._kernels

    def kernel(self, kernel_id: KernelId) -> LinkedKernel:
        if kernel_id not in self._kernels:
            raise KernelUnknown(
                f"No kernel {kernel_id} is known on this machine.", advice="`jupyter gpu kernels` lists them."
            )
        return self._kernels[kernel_id]

    def kernels(self) -> list[LinkedKernel]:
        return [kernel for kernel in self._kernels.values() if not kernel.is_stopping]

    def stopping(self) -> list[LinkedKernel]:
        """Whose end the machine has not confirmed yet."""
        return [kernel for kernel in self._kernels.values() if kernel.is_stopping]

    async def foreign(self) -> list[dict[str, Any]]:
        """Kernels on the machine that this link does not know; none when it is not connected."""
        if self._questions is None:
            return []
        try:
            found = await self._ask({"do": "kernels"})
        except CarrierLost:
            return []
        return [status for status in found if status.get("kernel_id") not in self._kernels]

    async def ask_agent(self, question: dict[str, Any]) -> Any:
        """Its answer; raises the `BridgeError` that it refuses with, or `CarrierLost` also when there is no carrier."""
        return await self._ask(question)

    def machine_gone(self, cause: str) -> None:
        """The machine is no more, and every kernel with it; nobody will ever hear of them again."""
        for kernel in self._kernels.values():
            kernel.machine_gone(cause)

    async def forget_gone(self) -> None:
        """Let kernels go whose machine is no more, so that nobody starts another link for what this one has left."""
        for kernel in list(self._kernels.values()):
            if kernel.is_gone:
                await self._let_go(kernel)

    async def kernel_log(self, kernel_id: KernelId) -> str:
        await self.connection.up()
        return str((await self._ask({"do": "log", "kernel_id": kernel_id}))["log"])

    # who has which kernel ------------------------------------------------------------------------------------------

    def claim(self, kernel_id: KernelId, owner: object) -> None:
        self._owners[kernel_id] = owner
        self._orphaned.pop(kernel_id, None)
        self._changed()

    def owner(self, kernel_id: KernelId) -> object | None:
        return self._owners.get(kernel_id)

    def left(self, owner: object) -> None:
        """A program that had kernels is gone; a script's kernels end with it, a server's wait for it."""
        for kernel_id, holder in list(self._owners.items()):
            if holder is owner:
                del self._owners[kernel_id]
                kernel = self._kernels.get(kernel_id)
                if kernel is not None and not kernel.order.survives:
                    self._orphaned[kernel_id] = time.monotonic()
        self._changed()

    def tell_ssh_agent(self, path: str) -> None:
        """A program came that has this ssh-agent; whoever waits to try again with it does so at once."""
        if self._ssh_agents.tell(path):
            self.connection.hurry()

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """`listener` is called at every change; the answer ends that."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    async def look_after(self) -> None:
        """Once a second: what nobody wants any more goes."""
        while not self.done.is_set():
            await asyncio.sleep(1.0)
            now = time.monotonic()
            for kernel_id, since in list(self._orphaned.items()):
                kernel = self._kernels.get(kernel_id)
                if kernel is None:
                    del self._orphaned[kernel_id]
                elif now - since > kernel.order.grace:
                    del self._orphaned[kernel_id]
                    log.info("stopping kernel %s: the script that used it is gone", kernel_id)
                    kernel.stop()
            for kernel in list(self._kernels.values()):
                kernel.facade.ensure_bound()
                if kernel.ended_for() > DEAD_LIFE:
                    kernel.stop()
                unwanted = kernel.is_stopping or kernel.order.kernel_id not in self._owners
                if unwanted and (kernel.keeper_gone or kernel.has_ended):
                    await self._let_go(kernel)
            if self._kernels or self._listeners or self.checks or self._renter is not None:
                self._quiet_since = now
            elif now - self._quiet_since > IDLE_LIFE:
                self.done.set()

    # inside --------------------------------------------------------------------------------------------------------

    def _dialer(self) -> Dialer:
        self._ssh_agents.choose()
        return self._reach(self._known_target(), self.passphrase)

    def _command(self) -> str:
        target = self._known_target()
        return boot.command(target.python, target.home)

    def _known_target(self) -> Target:
        if self._target is None:
            raise BadRequest(
                "It is not known any more how this machine is reached.",
                advice="Add it again with: jupyter gpu hosts add",
            )
        return self._target

    def _refuse_to_leave(self, why: str) -> None:
        """Raise while kernels run that only the present carrier leads to."""
        ended = {name for name, each in self._kernels.items() if each.is_stopping or each.exit_code is not None}
        running = sorted({*self._kernels, *self._owners} - ended)
        if running:
            names = " ".join(kernel_id[:8] for kernel_id in running)
            raise BadRequest(f"{why}: {names}.", advice=f"End them first: jupyter gpu kernels stop {names}")

    async def _leave(self) -> None:
        """Let go of everything that belongs to the present machine."""
        for kernel in list(self._kernels.values()):
            await self.stop(kernel.order.kernel_id)
            await self._let_go(kernel)
        await self.connection.down()
        self.passphrase = None

    async def _start_new(self, order: KernelOrder, report: Report) -> LinkedKernel:
        try:
            await self._find(report)
            kernel = await self._adopt(order)
        except BaseException:
            self._owners.pop(order.kernel_id, None)
            shutil.rmtree(self._folder / "kernels" / order.kernel_id, ignore_errors=True)
            raise
        try:
            await self._start(kernel, report)
        except BaseException:
            await self._undo(kernel)
            raise
        return kernel

    @contextlib.contextmanager
    def _telling_outcome(self) -> Iterator[None]:
        """The machine may be there for nobody but who uses it within."""
        error: BaseException | None = None
        try:
            yield
        except BaseException as raised:
            error = raised
            raise
        finally:
            if self._renter is not None:
                self._renter.outcome(error)

    async def _find(self, report: Report) -> None:
        if self._renter is not None:
            await self.aim(await self._renter.provide(report))

    async def _start(self, kernel: LinkedKernel, report: Report) -> None:
        order = kernel.order
        report("connecting", "connecting to the machine")
        await self.connection.up()
        times = None if self._renter is None else self._renter.times
        watch = StageWatch(report, await typical_of(times))
        watch.report("starting", "starting the kernel")
        spec = order.as_spec(self.identity)
        repeated = False
        while True:
            try:
                kernel.was_asked_for = True
                await self._ask({"do": "start", "spec": spec}, lambda text: watch.report("preparing", text))
                break
            except CarrierLost:
                repeated = True
                await self.connection.up()
            except KernelTaken:
                if not repeated:
                    kernel.was_asked_for = False
                    raise
                break
            except BridgeError:
                kernel.was_asked_for = False
                raise
        mux = await self.connection.up()
        kernel.connect(mux)
        await self._ready(kernel, "Run `python -m ipykernel_launcher` on the machine to see more.")
        await remember(times, watch.finish())

    async def _ready(self, kernel: LinkedKernel, advice: str) -> None:
        try:
            await kernel.ready(READY_PATIENCE, advice)
        except KernelFailed as error:
            if kernel.exit_code != -signal.SIGKILL:
                raise
            raise KernelFailed(error.what, advice="End what uses memory there, or take a machine with more.") from None

    async def _undo(self, kernel: LinkedKernel) -> None:
        """A start that failed or was given up leaves nothing, here or there."""
        self._owners.pop(kernel.order.kernel_id, None)
        if not kernel.was_asked_for or kernel.keeper_gone:
            await self._let_go(kernel)
            return
        kernel.stop()
        if not kernel.was_connected and self.connection.mux is not None:
            kernel.connect(self.connection.mux)
        kernel.was_connected = True

    async def _hear_of(self, kernel: LinkedKernel) -> None:
        """A link that was killed has left it, perhaps before the machine was asked for it: then there is none yet."""
        give_up = time.monotonic() + ANSWER_PATIENCE
        while not kernel.life and kernel.exit_code is None and time.monotonic() < give_up:
            with contextlib.suppress(BridgeError):
                await self.connection.up()
            await kernel.news(give_up - time.monotonic())

    async def _replace(self, kernel: LinkedKernel, report: Report) -> None:
        """Make room for a kernel of the same id: what is left of this one on the machine ends first."""
        if not kernel.keeper_gone:
            report("connecting", "waiting for the end of the kernel before")
            kernel.stop()
            await self.connection.up()
            with contextlib.suppress(KernelUnknown):
                await self._ask({"do": "stop", "kernel_id": kernel.order.kernel_id})
        await self._let_go(kernel)

    async def _let_go(self, kernel: LinkedKernel) -> None:
        kernel_id = kernel.order.kernel_id
        if self._kernels.get(kernel_id) is kernel:
            del self._kernels[kernel_id]
            self._owners.pop(kernel_id, None)
            log.info("kernel %s: let go%s", kernel_id, f" ({one_line(kernel.cause)})" if kernel.cause else "")
        await kernel.close(forget=True)
        self._changed()

    async def _adopt(self, order: KernelOrder) -> LinkedKernel:
        mark = hashlib.sha256(order.kernel_id.encode()).hexdigest()[:12]
        kernel = LinkedKernel(
            order,
            self.identity,
            self._folder / "kernels" / order.kernel_id,
            settings.run_folder() / mark,
            lambda kernel: self._changed(),
        )
        await kernel.open()
        self._kernels[order.kernel_id] = kernel
        log.info("kernel %s: taken up", order.kernel_id)
        return kernel

    async def _stop_foreign(self, kernel_id: KernelId) -> bool:
        """A kernel that another link started, or that this one has forgotten: its keeper is told directly."""
        await self.connection.up()
        await self._ask({"do": "stop", "kernel_id": kernel_id})
        return True

    async def _ask(self, question: dict[str, Any], report: Callable[[str], None] = lambda text: None) -> Any:
        if self._questions is None:
            raise CarrierLost
        return await self._questions.ask(question, report)

    def _came(self, mux: Mux) -> None:
        self._questions = Questions()
        mux.open({"service": "control"}, self._questions.stream, URGENT)
        for kernel in self._kernels.values():
            if kernel.was_connected:
                kernel.connect(mux)

    def _went(self) -> None:
        self._questions = None
        for kernel in self._kernels.values():
            kernel.disconnect()

    def _changed(self) -> None:
        for listener in list(self._listeners):
            listener()


def _identity(folder: Path) -> str:
    """Who this link is to keepers; the same over every restart."""
    path = folder / "identity"
    if not path.exists():
        replace_file(path, uuid.uuid4().hex.encode())
    return path.read_text()


__all__ = ["BridgeError", "Link", "Report"]
