"""How other programs talk to a link: find it or start it, ask it, hear its news, find it again when it was killed."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

from jupyter_gpu_bridge import __version__
from jupyter_gpu_bridge.errors import BridgeError, LinkLost, Problem, VerbUnknown
from jupyter_gpu_bridge.in_time import in_time
from jupyter_gpu_bridge.machine.link import hung, wire
from jupyter_gpu_bridge.machine.link.environment import passed_on
from jupyter_gpu_bridge.machine.link.places import folder_of, program_of, reads_the_ledger, socket_of
from jupyter_gpu_bridge.machine.link.target import Target
from jupyter_gpu_bridge.model import KernelId, MachineRef

START_PATIENCE = 15.0
HELLO_WITHIN = 10.0
"""Seconds for a link to say who it is, which it does at once: one that does not hangs."""
FAREWELL_PATIENCE = 1.0
"""For a link that hangs to take our last words."""

log = logging.getLogger(__name__)


class LinkClient:
    """One program's connection to the link of one machine. Lives on one event loop, and has to be closed there."""

    def __init__(self, machine: MachineRef, heard: Callable[[dict[str, Any]], None] | None = None) -> None:
        """`heard` gets every news; a client with it keeps its link alive, and finds it again while it has any work."""
        self.machine = machine
        self._heard = heard
        self._folder = folder_of(machine)
        self._numbers = itertools.count(1)
        self._open: dict[int, tuple[asyncio.Future[Any], Callable[[str, str], None]]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._connecting = asyncio.Lock()
        self._is_closed = False
        self._reading: asyncio.Task[None] | None = None
        self._version = "?"
        self._is_outdated = False
        self._has_replaced = False
        self.claims: set[KernelId] = set()
        self.hung: int | None = None
        """The process that was there and did not answer."""

    async def connect(self, *, start: bool) -> None:
        """Be connected. A link that is not there is started, or `LinkLost` is raised."""
        await self._join(start=start)
        if start and self._is_outdated and await self._has_ended_it():
            await self._join(start=True)

    async def end_hung(self) -> bool:
        """Whether the link that did not answer is no more, and another can take its place."""
        return self.hung is not None and await asyncio.to_thread(hung.end, self.hung, self.machine, self._folder)

    async def _join(self, *, start: bool) -> None:
        async with self._connecting:
            if self._writer is not None:
                return
            reader, writer = await self._find(start=start)
            if self._is_closed:
                writer.transport.abort()
                raise self._has_left()
            self._writer = writer
            self._reading = self._begin(self._read(reader, writer))
        mine = {"pid": os.getpid(), "watch": self._heard is not None, "ssh_agent": os.environ.get("SSH_AUTH_SOCK", "")}
        hello = self._ask("hello", {**mine, "protocol": wire.PROTOCOL, "version": __version__})
        try:
            its = await in_time(hello, HELLO_WITHIN)
        except asyncio.TimeoutError:
            self.hung = hung.listener_of(writer.get_extra_info("socket"))
            writer.transport.abort()
            raise LinkLost(
                f"The local link process of {self.machine} does not answer.", advice="`jupyter gpu doctor` looks at it."
            ) from None
        self._version = str(its.get("version", "?"))
        self._is_outdated = int(its.get("protocol", 0)) < wire.PROTOCOL
        for kernel_id in list(self.claims):
            with contextlib.suppress(BridgeError):
                await self._ask("claim", {"kernel_id": kernel_id})

    async def _has_ended_it(self) -> bool:
        """Whether this link, which is of an older version, had nothing to do, and makes room for one of ours.

        Once: a program of the older version may bring it back, and two that never yield would go on for ever.
        """
        if self._has_replaced or self._reading is None:
            return False
        self._has_replaced = True
        with contextlib.suppress(LinkLost, asyncio.TimeoutError):
            status = await asyncio.wait_for(self._ask("status", {}), START_PATIENCE)
            if status["kernels"]:
                return False
            log.info("The link of %s is of version %s: it is replaced.", self.machine, self._version)
            await asyncio.wait_for(self._ask("end", {}), START_PATIENCE)
        await asyncio.wait([self._reading], timeout=START_PATIENCE)
        return self._reading.done()

    async def ask(
        self,
        verb: str,
        *,
        target: Target | None = None,
        report: Callable[[str, str], None] = lambda name, text: None,
        **arguments: Any,
    ) -> Any:
        """The link's answer; raises the `BridgeError` it refuses with, or `LinkLost`.

        `target` is for questions that need the machine: a link that is connected to another one leaves that first.
        """
        if target is not None:
            arguments["target"] = target.as_json()
        try:
            return await self._ask(verb, arguments, report)
        except VerbUnknown:
            older = "an older" if self._is_outdated else "another"
            raise VerbUnknown(
                f"The link of {self.machine} was started by {older} version ({self._version}) and still has kernels: "
                "it does not know what is asked for.",
                advice="Stop them (jupyter gpu kernels stop ID), and a new link takes its place; "
                "what was possible before goes on until then.",
            ) from None

    async def close(self) -> None:
        """Leave the link for good; what was claimed is given up."""
        self._is_closed = True
        self._heard = None
        writer, self._writer = self._writer, None
        tasks = list(self._tasks)
        try:
            if writer is not None:
                writer.close()
                with contextlib.suppress(OSError, asyncio.TimeoutError):
                    await asyncio.wait_for(writer.wait_closed(), FAREWELL_PATIENCE)
        finally:
            if writer is not None:
                writer.transport.abort()
            for task in tasks:
                task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    @staticmethod
    def is_running(machine: MachineRef) -> bool:
        """Whether there is a socket to ask at; cheap, and no promise."""
        return socket_of(folder_of(machine)).exists()

    @staticmethod
    def has_work(machine: MachineRef) -> bool:
        """Whether kernels are written down that a link should look after, though it may have been killed."""
        return any((folder_of(machine) / "kernels").glob("*/order.json"))

    # inside --------------------------------------------------------------------------------------------------------

    async def _ask(
        self, verb: str, arguments: dict[str, Any], report: Callable[[str, str], None] = lambda name, text: None
    ) -> Any:
        if self._writer is None:
            raise LinkLost("The local link process is not there.", advice="Try again; it is started when needed.")
        number = next(self._numbers)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._open[number] = (answer, report)
        self._say({"id": number, "do": verb, **arguments})
        try:
            return await answer
        except asyncio.CancelledError:
            self._say({"id": number, "do": "cancel"})
            raise
        finally:
            self._open.pop(number, None)

    def _say(self, message: dict[str, Any]) -> None:
        if self._writer is not None:
            self._writer.write(wire.line(message))

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task of ours, which ends at the latest when we are closed."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (message := await wire.read(reader)) is not None:
                self._take(message)
        except ValueError as error:
            log.warning("The link of %s was left: it sent %s", self.machine, error)
        finally:
            writer.transport.abort()
            if self._writer is writer:
                self._writer = None
            for answer, _ in self._open.values():
                if not answer.done():
                    answer.set_exception(LinkLost("The local link process went away.", advice="Try again."))
        if self._wants_a_link():
            self._begin(self._find_again())

    async def _find_again(self) -> None:
        """The link was killed: start its successor, and claim again what was ours."""
        pause = 0.05
        while self._wants_a_link():
            try:
                await self.connect(start=True)
                return
            except (BridgeError, OSError):
                await asyncio.sleep(pause)
                pause = min(2.0, pause * 2)

    def _wants_a_link(self) -> bool:
        """One that ended for good has left nothing to do, and is not brought back."""
        return self._heard is not None and (bool(self.claims) or self.has_work(self.machine))

    def _take(self, message: dict[str, Any]) -> None:
        if "news" in message:
            if self._heard is not None:
                self._heard({**message["news"], "machine": str(self.machine)})
            return
        answer, report = self._open.get(message.get("id") or 0, (None, None))
        if answer is None or answer.done():
            return
        if report is not None and "stage" in message:
            report(str(message["stage"]), str(message.get("text", "")))
        elif "error" in message:
            answer.set_exception(BridgeError.of(_problem(message["error"])))
        else:
            answer.set_result(message.get("ok"))

    async def _find(self, *, start: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        path = socket_of(self._folder)
        give_up = time.monotonic() + START_PATIENCE
        process: subprocess.Popen[bytes] | None = None
        while not self._is_closed:
            try:
                return await asyncio.open_unix_connection(str(path), limit=wire.MOST_LINE)
            except (FileNotFoundError, ConnectionRefusedError):
                if not start:
                    raise LinkLost(f"Nothing is connected to {self.machine} now.") from None
            if process is None or process.poll() is not None:
                process = await asyncio.to_thread(self._spawn)
            if time.monotonic() > give_up:
                raise LinkLost(
                    "The local link process did not start.", advice=f"Its log is {self._folder / 'link.log'}."
                )
            await asyncio.sleep(0.01)
        raise self._has_left()

    def _has_left(self) -> LinkLost:
        return LinkLost(f"This program was leaving {self.machine} just then.", advice="Try again.")

    def _spawn(self) -> subprocess.Popen[bytes]:
        path = self._folder / "link.log"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", program_of(self.machine), str(self._folder)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=passed_on(with_ledger=reads_the_ledger(self.machine)),
                start_new_session=True,
            )
        # It outlives us or dies before us; in the second case somebody has to bury it.
        threading.Thread(target=process.wait, daemon=True, name="link-wait").start()
        return process


def _problem(data: dict[str, Any]) -> Problem:
    return Problem(
        str(data.get("code")),
        str(data.get("what")),
        str(data.get("advice") or ""),
        str(data.get("billing") or ""),
        tuple((str(name), str(value)) for name, value in data.get("details") or ()),
    )
