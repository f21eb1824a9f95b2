"""A process that asks for machines as a Jupyter server does, and the test's side of it.

What it is to do comes in on its standard input, a line of JSON each, any number at a time; stages and answers go out.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.machine.link import links
from jupyter_gpu_bridge.model import WishId
from tests.rentals.renting.world import PRETEND, REPOSITORY

Told = Callable[[str], None]
"""Given each stage that a question comes to."""


class Refused(Exception):
    """What was asked for ended in an error, whose name this is."""


class Asker:
    """One such process; `asker()` makes it, and it may be killed and followed by another at any time."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._numbers = itertools.count(1)
        self._open: dict[int, tuple[asyncio.Future[dict[str, Any]], Told]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def be_there(self) -> None:
        """Started if it is not; returns when it can be asked."""
        if self._process is not None:
            return
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.rentals.renting.asker",
            cwd=REPOSITORY,
            env=dict(self._environment),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert await self._process.stdout.readline() == b"ready\n"
        self._reading = asyncio.create_task(self._read(self._process.stdout))

    async def kill(self) -> None:
        """As a crash would; whoever waits for an answer of it is told so."""
        process, reading = self._process, self._reading
        self._process = self._reading = None
        if process is None or reading is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await reading

    def ask(self, verb: str, *words: str, told: Told = lambda stage: None) -> asyncio.Future[dict[str, Any]]:
        """Sent when this returns. The answer may be `Refused`, with the name of an error or, when it dies, `Killed`."""
        assert self._process is not None
        assert self._process.stdin is not None
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._open[number] = (answer, told)
        line = json.dumps({"id": number, "do": verb, "words": words})
        self._process.stdin.write(f"{line}\n".encode())
        return answer

    async def _read(self, stdout: asyncio.StreamReader) -> None:
        try:
            while (line := await stdout.readline()).endswith(b"\n"):  # its last one may be cut off by its death
                self._hear(json.loads(line))
        finally:
            left, self._open = self._open, {}
            for answer, _ in left.values():
                if not answer.done():
                    answer.set_exception(Refused("Killed"))

    def _hear(self, message: dict[str, Any]) -> None:
        answer, told = self._open[message["id"]]
        if "stage" in message:
            told(message["stage"])
            return
        del self._open[message["id"]]
        if answer.done():
            return  # nobody waits any more
        if "error" in message:
            answer.set_exception(Refused(message["error"]))
        else:
            answer.set_result(message["ok"])


@asynccontextmanager
async def asker(environment: Mapping[str, str] | None = None) -> AsyncIterator[Asker]:
    made = Asker(os.environ if environment is None else environment)
    await made.be_there()
    try:
        yield made
    finally:
        await made.kill()


# in the process itself -----------------------------------------------------------------------------------------------


async def _serve() -> None:
    bridge = Bridge()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    _say("ready")
    works: set[asyncio.Task[None]] = set()
    while line := await lines.readline():
        work = asyncio.create_task(_answer(bridge, json.loads(line)))
        works.add(work)
        work.add_done_callback(works.discard)
    await links().close()


async def _answer(bridge: Bridge, message: dict[str, Any]) -> None:
    number = message["id"]

    def report(stage: str, text: str) -> None:
        _say(json.dumps({"id": number, "stage": stage}))

    try:
        answer = await _VERBS[message["do"]](bridge, report, *message["words"])
        _say(json.dumps({"id": number, "ok": answer}))
    except Exception as error:
        print(f"{message['do']}: {error!r}", file=sys.stderr)
        _say(json.dumps({"id": number, "error": type(error).__name__}))


async def _rent(bridge: Bridge, report: Callable[[str, str], None], key: str) -> dict[str, Any]:
    standing = await bridge.arrive(await bridge.want(key, PRETEND, f"process {os.getpid()}"), report)
    return {"wish": standing.wish.wish_id, "name": None if standing.rental is None else standing.rental.name}


async def _end(bridge: Bridge, report: object, wish: str) -> dict[str, Any]:
    return {"was_open": await bridge.end_rental(WishId(wish), "It was a test.")}


async def _gone(bridge: Bridge, report: object, wish: str) -> dict[str, Any]:
    return {"because": (await bridge.rental_gone(WishId(wish))).wish.closed_because}


async def _guard(bridge: Bridge, report: object) -> dict[str, Any]:
    found = await bridge.guard()
    return {"orphans": [orphan.seen.name for orphan in found.orphans], "troubles": list(found.troubles)}


_VERBS: Mapping[str, Callable[..., Any]] = {"rent": _rent, "end": _end, "gone": _gone, "guard": _guard}


def _say(line: str) -> None:
    """In one piece: stages are told on the thread of the links."""
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


if __name__ == "__main__":
    asyncio.run(_serve())
