"""All links that this process talks to, on a thread with an event loop of its own.

Front ends live on all sorts of loops, some of them one after another (a console runs each call on another one), so
nothing that waits may belong to theirs.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import os
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from jupyter_gpu_bridge.errors import KernelTaken, KernelUnknown, LinkLost, RentalEnded, StartCancelled
from jupyter_gpu_bridge.machine.link.client import LinkClient
from jupyter_gpu_bridge.machine.link.record import KernelOrder
from jupyter_gpu_bridge.machine.link.target import Target
from jupyter_gpu_bridge.model import KernelId, MachineRef

T = TypeVar("T")
Report = Callable[[str, str], None]

MOST_SUCCESSORS = 3
ANSWER_WITHIN = 5.0
"""A link answers from memory; one that does not is killed, stopped or swamped."""
STOP_WITHIN = 15.0
"""Longer than the link itself waits for the machine's word."""
EXIT_WITHIN = 2.0
"""A link that hangs does not hold up a program that ends."""


class RunningKernel:
    """A kernel that this process started or attached to; what is known of it is kept fresh by its link's news."""

    def __init__(self, machine: MachineRef, view: dict[str, Any]) -> None:
        self.machine = machine
        self.is_detached = False
        """Its server exits and leaves it running."""
        self.is_over = False
        """For good: somebody ended it on purpose, from here or elsewhere, or its machine is no more."""
        self.is_fresh = bool(view.get("fresh"))
        """Started by us, not found running."""
        self.kernel_id = KernelId(view["kernel_id"])
        self.ended = asyncio.Event()
        self.update(view)

    def update(self, view: dict[str, Any]) -> None:
        """After a start or restart."""
        self.prefix = str(view["prefix"])
        self.key = str(view["key"])
        self.signature_scheme = str(view["signature_scheme"])
        self.pid: int | None = view["pid"]
        self.life = int(view["life"])
        self.exit_code: int | None = view["exit_code"]
        self.cause = str(view["cause"])
        self.is_reachable = view["state"] != "unreachable"
        self.is_over = False
        if self.exit_code is None:
            self.ended.clear()

    def hear(self, kernels: dict[str, dict[str, Any]]) -> None:
        self._note(kernels)
        if self.exit_code is not None:
            self.ended.set()

    def _note(self, kernels: dict[str, dict[str, Any]]) -> None:
        brief = kernels.get(self.kernel_id)
        if brief is None:
            self.is_over = True
            self.exit_code = self.exit_code if self.exit_code is not None else -15
            self.cause = self.cause or "The kernel was stopped."
            return
        self.is_reachable = brief["state"] != "unreachable"
        self.is_over = bool(brief.get("gone"))  # a link of an older version does not say it
        if self.is_over or brief["life"] >= self.life:
            self.exit_code = brief["exit_code"]
            self.cause = str(brief["cause"])


class Links:
    """One per process; see `links()`."""

    def __init__(self) -> None:
        self._clients: dict[MachineRef, LinkClient] = {}
        self._kernels: dict[KernelId, RunningKernel] = {}
        self._news: dict[str, dict[str, dict[str, Any]]] = {}
        """The last from each machine: it may overtake the answer to what it is about."""
        self._starts: set[asyncio.Task[Any]] = set()
        """Those under way that may be broken off."""
        self._stops: set[asyncio.Task[bool]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._turn, daemon=True, name="gpu-bridge")
        self._thread.start()
        self._process = os.getpid()
        atexit.register(self._close_at_exit)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do this on our own loop, and wait for it on the caller's; cancelling goes through."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def close(self) -> None:
        """Leave every link; kernels of scripts end, those of servers go on. `links()` then begins anew."""
        _forget(self)
        atexit.unregister(self._close_at_exit)
        await self.run(self._leave())
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join)
        self._loop.close()

    def _close_at_exit(self) -> None:
        """What still waits on our loop would otherwise be complained of when the interpreter takes itself apart.

        While this process has kernels its own exit hooks may be about to end them, and they need us for that.
        """
        if os.getpid() != self._process or self._kernels:
            return
        _forget(self)
        with contextlib.suppress(concurrent.futures.TimeoutError):
            asyncio.run_coroutine_threadsafe(self._leave(), self._loop).result(EXIT_WITHIN)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(EXIT_WITHIN)

    def _turn(self) -> None:
        """The thread holds us as long as it lives: what still waits on its loop is never dropped unclosed."""
        self._loop.run_forever()

    # on our own loop -----------------------------------------------------------------------------------------------

    async def start(self, machine: MachineRef, target: Target, order: KernelOrder, report: Report) -> RunningKernel:
        """Start a kernel on the machine, or attach to the one of that id which nobody has."""
        before = self._kernels.get(order.kernel_id)
        if before is not None and before.exit_code is None:
            raise KernelTaken(
                f"The kernel {order.kernel_id} is already run by this program.", advice="Stop it there first."
            )
        order = _complete(order, target)
        client, view = await self._breakable(self._start_at(machine, target, order, report, MOST_SUCCESSORS))
        kernel = RunningKernel(machine, view)
        self._has(kernel, client)
        return kernel

    async def _start_at(
        self, machine: MachineRef, target: Target, order: KernelOrder, report: Report, successors: int
    ) -> tuple[LinkClient, dict[str, Any]]:
        """Who answered, and what. A link may be killed after it had told the machine: its successor knows, and goes on.

        One that is being killed lets somebody in for an instant still, so there may be more than one to ask.
        """
        try:
            client = await self._client(machine)
            return client, await client.ask("start", target=target, order=order.as_json(), report=report)
        except LinkLost:
            if not successors:
                raise
        return await self._start_at(machine, target, order, report, successors - 1)

    async def relaunch(self, kernel: RunningKernel, target: Target, order: KernelOrder, report: Report) -> None:
        try:
            await self._breakable(self._relaunch(kernel, target, order, report))
        except RentalEnded as ended:
            kernel.is_over = True
            kernel.exit_code = -1 if kernel.exit_code is None else kernel.exit_code
            kernel.cause = kernel.cause or ended.what
            raise

    async def _relaunch(self, kernel: RunningKernel, target: Target, order: KernelOrder, report: Report) -> None:
        client = await self._client(kernel.machine)
        asked = _complete(order, target).as_json()
        kernel.update(await client.ask("relaunch", target=target, order=asked, report=report))
        self._has(kernel, client)

    async def _breakable(self, start: Coroutine[Any, Any, T]) -> T:
        """Raises `StartCancelled` when it is broken off by `break_off`."""
        task = asyncio.ensure_future(start)
        self._starts.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            if task in self._starts:
                raise
            raise StartCancelled("The kernel was not started: this program is ending.") from None
        finally:
            self._starts.discard(task)

    async def break_off(self) -> None:
        """Give up all starts and restarts that are under way, as when each was cancelled."""
        while self._starts:
            self._starts.pop().cancel()

    def _has(self, kernel: RunningKernel, client: LinkClient) -> None:
        """This process has that kernel now."""
        self._kernels[kernel.kernel_id] = kernel
        client.claims.add(kernel.kernel_id)
        news = self._news.get(str(kernel.machine), {})
        if kernel.kernel_id in news:
            kernel.hear(news)

    async def until_ended(self, kernel: RunningKernel) -> None:
        await kernel.ended.wait()

    async def signal(self, kernel: RunningKernel, number: int) -> None:
        await self._insist(kernel, "signal", ANSWER_WITHIN, signal=number)

    async def stop(self, kernel: RunningKernel) -> bool:
        """End it for good; whether the machine has confirmed that already. A link that is not there is told later."""
        self.forget(kernel)
        task = self._stop(kernel)
        is_running = kernel.is_reachable and kernel.exit_code is None
        done, _ = await asyncio.wait([task], timeout=STOP_WITHIN if is_running else ANSWER_WITHIN)
        return bool(done) and task.result()

    def stop_soon(self, kernel: RunningKernel) -> None:
        """As `stop`, from any thread, without waiting."""
        self.forget(kernel)
        self._loop.call_soon_threadsafe(self._stop, kernel)

    def give_up(self, kernel_id: KernelId) -> None:
        """A start was cancelled, and nobody knows whether it had succeeded by then; from any thread."""
        self._loop.call_soon_threadsafe(self._give_up, kernel_id)

    async def hold(self, kernel_ids: Sequence[KernelId]) -> None:
        """These go on without us: their link keeps our shutdown from them."""
        for kernel_id in kernel_ids:
            kernel = self._kernels.get(kernel_id)
            if kernel is not None:
                await self._insist(kernel, "hold", ANSWER_WITHIN)
                kernel.is_detached = True

    async def rename(self, kernel_id: KernelId, path: str) -> None:
        """Say what the kernel belongs to now."""
        kernel = self._kernels.get(kernel_id)
        if kernel is not None:
            await self._insist(kernel, "rename", ANSWER_WITHIN, path=path)

    def forget(self, kernel: RunningKernel) -> None:
        """This process has nothing more to do with it."""
        self._kernels.pop(kernel.kernel_id, None)
        if kernel.machine in self._clients:
            self._clients[kernel.machine].claims.discard(kernel.kernel_id)

    async def ask(
        self, machine: MachineRef, target: Target | None, verb: str, report: Report = lambda n, t: None, **more: Any
    ) -> Any:
        """One question on a connection of its own; without a target only a link that is there already is asked.

        One that was killed just then has a successor, which is asked, since nothing that is asked so does harm when
        done twice; and one that is being killed lets somebody in for an instant still.
        """
        for successors_left in range(MOST_SUCCESSORS if target is not None else 0, -1, -1):
            try:
                return await self._ask(machine, target, verb, report, more)
            except LinkLost:
                if not successors_left:
                    raise
        raise AssertionError("unreachable")

    async def _ask(
        self, machine: MachineRef, target: Target | None, verb: str, report: Report, more: dict[str, Any]
    ) -> Any:
        client = LinkClient(machine)
        try:
            await client.connect(start=target is not None)
            return await client.ask(verb, target=target, report=report, **more)
        finally:
            await client.close()

    def _stop(self, kernel: RunningKernel) -> asyncio.Task[bool]:
        task = asyncio.create_task(self._stop_at_last(kernel))
        self._stops.add(task)
        task.add_done_callback(self._stops.discard)
        return task

    async def _stop_at_last(self, kernel: RunningKernel) -> bool:
        if kernel.is_over and not LinkClient.is_running(kernel.machine):
            return True  # nobody is left to be told, nor to be started for it
        try:
            answer = await self._insist(kernel, "stop", None)
        except KernelUnknown:
            return True
        return bool(answer["confirmed"])

    def _give_up(self, kernel_id: KernelId) -> None:
        kernel = self._kernels.get(kernel_id)
        if kernel is None:
            return
        self.forget(kernel)
        if kernel.is_fresh:
            self._stop(kernel)

    async def _insist(self, kernel: RunningKernel, verb: str, within: float | None, **more: Any) -> Any:
        """Ask a link that may have been killed, and then has a successor soon; raises `LinkLost` after `within`."""
        client = self._clients[kernel.machine]

        async def insist() -> Any:
            while True:
                with contextlib.suppress(LinkLost):
                    await client.connect(start=True)
                    return await client.ask(verb, kernel_id=kernel.kernel_id, **more)
                await asyncio.sleep(0.1)

        try:
            return await asyncio.wait_for(insist(), within)
        except asyncio.TimeoutError:
            kernel.is_reachable = False
            raise LinkLost(
                "The local link process does not answer.", advice="`jupyter gpu doctor` looks at it."
            ) from None

    async def _leave(self) -> None:
        for client in self._clients.values():
            await client.close()
        # Whatever somebody still waits for here, an answer or a connection, would outlive the loop.
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _client(self, machine: MachineRef) -> LinkClient:
        client = self._clients.get(machine)
        if client is None:
            client = LinkClient(machine, self._heard)
            self._clients[machine] = client
        await client.connect(start=True)
        return client

    def _heard(self, news: dict[str, Any]) -> None:
        machine = news["machine"]
        self._news[machine] = news["kernels"]
        for kernel in list(self._kernels.values()):
            if str(kernel.machine) == machine:
                kernel.hear(news["kernels"])
                if kernel.is_over:
                    self._clients[kernel.machine].claims.discard(kernel.kernel_id)


def _complete(order: KernelOrder, target: Target) -> KernelOrder:
    """With the Python of whoever asks: the link may have been started from another environment."""
    return order if order.python is not None else replace(order, python=target.python)


_present: Links | None = None
_choosing = threading.Lock()


def links() -> Links:
    """The links of this process; nothing runs before the first call, nor after they were closed."""
    global _present
    with _choosing:  # asked for by two threads at once, there would be two, and one that nobody closes
        if _present is None:
            _present = Links()
        return _present


def is_linked() -> bool:
    """Whether there is anything to close."""
    return _present is not None


def _forget(closing: Links) -> None:
    global _present
    with _choosing:
        if _present is closing:
            _present = None
