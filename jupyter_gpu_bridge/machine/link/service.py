"""What the link answers on its private socket, to programs of the same user."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jupyter_gpu_bridge import __version__
from jupyter_gpu_bridge.errors import BridgeError, VerbUnknown
from jupyter_gpu_bridge.machine.link import wire
from jupyter_gpu_bridge.machine.link.kernel import LinkedKernel
from jupyter_gpu_bridge.machine.link.link import Link
from jupyter_gpu_bridge.machine.link.questions import CarrierLost
from jupyter_gpu_bridge.machine.link.record import KernelOrder
from jupyter_gpu_bridge.machine.link.target import Target
from jupyter_gpu_bridge.model import KernelId

MOST_UNREAD = 32 * 1024 * 1024
"""A program that lets more than this wait does not read what it asks for."""
FAREWELL_PATIENCE = 1.0

log = logging.getLogger(__name__)


class Service:
    """Accepts programs until the link is done."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._server: asyncio.Server | None = None
        self._visits: dict[asyncio.StreamWriter, asyncio.Event] = {}
        """Each until it is over."""

    async def open(self, path: Path) -> None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        _bind_privately(listener, path)
        self._server = await asyncio.start_unix_server(self._accept, sock=listener, limit=wire.MOST_LINE)

    async def close(self) -> None:
        """Part from everybody, who have their answers; one that does not take its own is not waited for."""
        if self._server is not None:
            self._server.close()
        visits = dict(self._visits)
        for writer in visits:
            writer.close()
        for writer, is_over in visits.items():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(is_over.wait(), FAREWELL_PATIENCE)
            writer.transport.abort()
            await is_over.wait()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = Visit(self._link, reader, writer)
        is_over = self._visits[writer] = asyncio.Event()
        try:
            await visit.run()
        finally:
            writer.close()
            del self._visits[writer]
            is_over.set()


def _bind_privately(listener: socket.socket, path: Path) -> None:
    path.unlink(missing_ok=True)
    listener.bind(str(path))
    path.chmod(0o600)


class Visit:
    """One program that talks to the link; what it has claimed is given up when it goes."""

    def __init__(self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._link = link
        self._reader = reader
        self._writer = writer
        self._tasks: dict[Any, asyncio.Task[None]] = {}
        self._started: dict[Any, KernelId] = {}
        """Which request started which kernel: giving up may come too late to cancel it."""
        self._name = "a program"
        self._stop_listening: Callable[[], None] = lambda: None
        self._told: dict[str, Any] = {}

    def __str__(self) -> str:
        return self._name

    async def run(self) -> None:
        try:
            while (message := await wire.read(self._reader)) is not None:
                self._take(message)
        except ValueError as error:
            log.warning("%s was sent away: it sent %s", self, error)
        finally:
            self._stop_listening()
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._link.left(self)

    def _take(self, message: dict[str, Any]) -> None:
        number = message.get("id")
        if not isinstance(number, int):
            raise ValueError("a question without a number")
        if message.get("do") != "cancel":
            self._answer(number, message)
        elif number in self._tasks and self._tasks[number].cancel():
            return
        elif number in self._started:  # it was done already
            self._answer(number, {"do": "stop", "kernel_id": self._started.pop(number)})

    def _answer(self, number: int, message: dict[str, Any]) -> None:
        task = asyncio.get_running_loop().create_task(self._reply(number, message))
        self._tasks[number] = task
        task.add_done_callback(lambda done: self._tasks.pop(number, None))

    async def _reply(self, number: Any, message: dict[str, Any]) -> None:
        def report(name: str, text: str) -> None:
            self._say({"id": number, "stage": name, "text": text})

        try:
            verb = self._verbs().get(str(message.get("do")))
            if verb is None:
                raise VerbUnknown(f"The link cannot do {message.get('do')!r}.", advice=f"Its version is {__version__}.")
            answer = {"ok": await verb(message, report)}
        except BridgeError as error:
            answer = {"error": asdict(error.as_problem())}
        except CarrierLost:
            answer = {"error": {"code": "unreachable", "what": "The connection to the machine was lost.", "advice": ""}}
        except (KeyError, TypeError, ValueError) as error:
            log.exception("%s asked what makes no sense", self)
            answer = {"error": {"code": "bad-request", "what": f"The link did not understand: {error!r}."}}
        except OSError as error:
            log.exception("%s could not be served", self)
            what = f"This computer could not do that: {error.strerror or error}."
            answer = {"error": {"code": "failed", "what": what, "advice": "Is its disk full, or its home read-only?"}}
        self._say({"id": number, **answer})

    def _verbs(self) -> dict[str, Callable[[dict[str, Any], Callable[[str, str], None]], Awaitable[Any]]]:
        return {
            "hello": self._hello,
            "status": self._status,
            "check": self._check,
            "check_gpus": self._check_gpus,
            "arrive": self._arrive,
            "start": self._start,
            "relaunch": self._relaunch,
            "claim": self._claim,
            "signal": self._signal,
            "stop": self._stop,
            "hold": self._hold,
            "rename": self._rename,
            "log": self._log,
            "passphrase": self._passphrase,
            "leave": self._leave,
            "look": self._look,
            "release": self._release,
            "disconnect": self._disconnect,
            "end": self._end,
        }

    async def _hello(self, message: dict[str, Any], report: object) -> dict[str, Any]:
        self._name = f"process {int(message['pid'])}"
        self._link.tell_ssh_agent(str(message.get("ssh_agent") or ""))
        if message.get("watch"):
            self._stop_listening = self._link.listen(self._tell)
            self._tell()
        return {"pid": os.getpid(), "protocol": wire.PROTOCOL, "version": __version__}

    async def _status(self, message: dict[str, Any], report: object) -> dict[str, Any]:
        if message.get("wake"):
            await self._aim(message)
            await self._link.connection.up()
        connection = self._link.connection
        error = connection.error
        return {
            "pid": os.getpid(),
            "state": connection.state.value,
            "detail": str(error) if error is not None else "",
            "carrier": connection.carrier,
            "reconnects": max(0, connection.ups - 1),
            "round_trip_ms": connection.round_trip_ms,
            "kernels": [self._view(kernel) for kernel in self._link.kernels()],
            "stopping": [self._view(kernel) for kernel in self._link.stopping()],
            "foreign": await self._link.foreign(),
        }

    async def _check(self, message: dict[str, Any], report: object) -> dict[str, Any]:
        await self._aim(message)
        return await self._link.check(anew=bool(message.get("anew")))

    async def _check_gpus(self, message: dict[str, Any], report: Callable[[str, str], None]) -> str:
        await self._aim(message)
        return await self._link.check_gpus(report)

    async def _arrive(self, message: dict[str, Any], report: Callable[[str, str], None]) -> None:
        await self._aim(message)
        await self._link.arrive(report)

    async def _start(self, message: dict[str, Any], report: Callable[[str, str], None]) -> dict[str, Any]:
        await self._aim(message)
        order = KernelOrder.from_json(message["order"])
        before = {kernel.order.kernel_id for kernel in self._link.kernels() if kernel.exit_code is None}
        kernel = await self._link.start(order, self, report)
        fresh = order.kernel_id not in before
        if fresh:
            self._started[message["id"]] = order.kernel_id
        return {**self._view(kernel), "fresh": fresh}

    async def _relaunch(self, message: dict[str, Any], report: Callable[[str, str], None]) -> dict[str, Any]:
        await self._aim(message)
        return self._view(await self._link.relaunch(KernelOrder.from_json(message["order"]), self, report))

    async def _claim(self, message: dict[str, Any], report: object) -> dict[str, Any]:
        kernel = self._link.kernel(KernelId(message["kernel_id"]))
        self._link.claim(kernel.order.kernel_id, self)
        return self._view(kernel)

    async def _signal(self, message: dict[str, Any], report: object) -> None:
        self._link.kernel(KernelId(message["kernel_id"])).send_signal(int(message["signal"]))

    async def _stop(self, message: dict[str, Any], report: object) -> dict[str, Any]:
        kernel_id = KernelId(message["kernel_id"])
        if not self._link.has(kernel_id):
            await self._aim(message)
        return {"confirmed": await self._link.stop(kernel_id)}

    async def _hold(self, message: dict[str, Any], report: object) -> None:
        self._link.kernel(KernelId(message["kernel_id"])).facade.hold_shutdown(True)

    async def _rename(self, message: dict[str, Any], report: object) -> None:
        self._link.kernel(KernelId(message["kernel_id"])).rename(str(message["path"]))

    async def _log(self, message: dict[str, Any], report: object) -> str:
        kernel_id = KernelId(message["kernel_id"])
        if not self._link.has(kernel_id):
            await self._aim(message)
        return await self._link.kernel_log(kernel_id)

    async def _passphrase(self, message: dict[str, Any], report: object) -> None:
        await self._aim(message)
        self._link.passphrase = str(message["passphrase"])

    async def _leave(self, message: dict[str, Any], report: object) -> None:
        await self._link.leave()

    async def _look(self, message: dict[str, Any], report: object) -> None:
        self._link.look()

    async def _release(self, message: dict[str, Any], report: object) -> None:
        self._link.release(str(message["because"]))

    async def _disconnect(self, message: dict[str, Any], report: object) -> None:
        if not self._link.kernels():
            await self._link.connection.down()

    async def _end(self, message: dict[str, Any], report: object) -> None:
        self._link.done.set()

    async def _aim(self, message: dict[str, Any]) -> None:
        """What is asked needs the machine itself: the one that the program means, if it says so."""
        if "target" in message:
            await self._link.be_told(Target.from_json(message["target"]))

    def _view(self, kernel: LinkedKernel) -> dict[str, Any]:
        order = kernel.order
        idle = kernel.facade.last_activity
        return {
            "kernel_id": order.kernel_id,
            "profile": order.profile,
            "path": order.path,
            "key": order.key,
            "signature_scheme": order.signature_scheme,
            "prefix": str(kernel.prefix),
            "state": kernel.state.value,
            "pid": kernel.pid,
            "life": kernel.life,
            "exit_code": kernel.exit_code,
            "cause": kernel.cause or kernel.pending,
            "attached": self._link.owner(order.kernel_id) is not None,
            "started": kernel.started,
            "last_activity": time.time() - (time.monotonic() - idle) if idle else None,
        }

    def _tell(self) -> None:
        """Push what changed to a program that watches; coalesced by comparing."""
        brief = {
            kernel.order.kernel_id: {
                "life": kernel.life,
                "exit_code": kernel.exit_code,
                "cause": kernel.cause,
                "state": kernel.state.value,
                "gone": kernel.is_gone,
            }
            for kernel in self._link.kernels()
        }
        news = {"kernels": brief, "state": self._link.connection.state.value}
        if news != self._told:
            self._told = news
            self._say({"news": news})

    def _say(self, message: dict[str, Any]) -> None:
        if self._writer.transport.get_write_buffer_size() > MOST_UNREAD:
            if not self._writer.transport.is_closing():
                log.warning("%s was sent away: it does not read what it asks for", self)
            self._writer.transport.abort()
            return
        with contextlib.suppress(ConnectionError):
            self._writer.write(wire.line(message))
