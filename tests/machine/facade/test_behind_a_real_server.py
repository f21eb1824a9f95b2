"""A page in front of a real Jupyter server, which is killed: the nudge of the next one must swallow nothing."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient
from tornado.websocket import WebSocketClientConnection, websocket_connect

from jupyter_gpu_bridge.model import Lane
from tests.machine.facade.client_process import KEY
from tests.machine.facade.conftest import house
from tests.machine.facade.far import Far, until
from tests.ports import free_port


class Server:
    """`jupyter server` that finds our kernel as an external one."""

    def __init__(self, far: Far, *options: str) -> None:
        self._folder = far.folder
        self._options = options
        connections = far.folder / "connections"
        connections.mkdir(exist_ok=True)
        names = ("shell", "iopub", "stdin", "control", "hb")
        ports = {f"{name}_port": port for port, name in enumerate(names, start=1)}
        info = {"transport": "ipc", "ip": os.fspath(far.prefix), "key": KEY.decode(), **ports}
        info |= {"signature_scheme": "hmac-sha256", "kernel_name": "far"}

        (connections / "kernel-far.json").write_text(json.dumps(info))
        self.port = free_port()

    async def start(self) -> str:
        """Returns the kernel's id at this server."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "jupyter_server", f"--port={self.port}", "--ServerApp.port_retries=0"),
            *("--no-browser", "--allow-root", "--IdentityProvider.token=", "--ServerApp.allow_external_kernels=True"),
            f"--ServerApp.external_connection_dir={self._folder / 'connections'}",
            *(f"--ServerApp.root_dir={self._folder}", *self._options),
            env={**os.environ, "HOME": os.fspath(self._folder), "JUPYTER_RUNTIME_DIR": os.fspath(self._folder / "run")},
            stderr=asyncio.subprocess.DEVNULL,
        )
        client, kernels = AsyncHTTPClient(force_instance=True), list[dict[str, str]]()
        deadline = asyncio.get_running_loop().time() + 20
        while not kernels:
            assert asyncio.get_running_loop().time() < deadline, "the server did not come up"
            try:
                answer = await client.fetch(f"http://127.0.0.1:{self.port}/api/kernels")
                kernels = json.loads(answer.body)
            except OSError:
                await asyncio.sleep(0.05)
        client.close()
        return kernels[0]["id"]

    def hang(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
        await self._process.wait()


class Page:
    """As JupyterLab: one session id for its whole life, and a request for kernel info whenever it is connected."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.replies = 0
        self.parted = asyncio.Event()

    async def connect(self, server: Server, kernel: str) -> None:
        self.parted.clear()
        url = f"ws://127.0.0.1:{server.port}/api/kernels/{kernel}/channels?session_id=page"
        self._socket: WebSocketClientConnection = await websocket_connect(url, on_message_callback=self._message)
        header = {"msg_id": os.urandom(8).hex(), "msg_type": "kernel_info_request", "session": "page"}
        header |= {"username": "", "version": "5.3", "date": "2026-11-20T00:00:00Z"}
        request = {"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": {}}
        await self._socket.write_message(json.dumps({**request, "buffers": []}))

    def close(self) -> None:
        self._socket.close()

    def _message(self, raw: str | bytes | None) -> None:
        if raw is None:
            self.parted.set()
            return
        message: dict[str, Any] = json.loads(raw)
        if message.get("msg_type") == "stream":
            self.heard.append(message["content"]["text"])
        self.replies += message.get("msg_type") == "kernel_info_reply"


def answer_kernel_info(far: Far) -> None:
    """Let the far side answer as a kernel does: busy, the reply, idle."""

    def requested(lane: Lane, frames: list[bytes]) -> None:
        identities, rest = far.session.feed_identities(frames)
        parent = far.session.deserialize(rest)["header"]
        far.status("busy", parent)
        far.reply("kernel_info_reply", {"status": "ok", "protocol_version": "5.3"}, parent, identities[0], lane)
        far.status("idle", parent)

    far.requested = requested


@pytest.mark.parametrize("others", [0, 1])
def test_a_page_that_stays_open_misses_nothing_when_its_server_is_killed(short_folder: Path, others: int) -> None:
    async def story() -> None:
        async with house(short_folder) as (far, started):
            answer_kernel_info(far)
            server, page = Server(far), Page()
            try:
                await page.connect(server, await server.start())
                await until(lambda: page.replies > 0, "the page has a reply")
                for number in range(others):
                    await (await started(f"other{number}")).speak()
                for number in range(30):
                    far.say(str(number))
                await until(lambda: len(page.heard) == 30, "the page hears the kernel")
                await server.kill()
                page.close()
                for number in range(30, 90):
                    far.say(str(number))
                await page.connect(server, await server.start())
                await until(lambda: len(page.heard) >= 90, f"the page hears what it missed: {page.heard[30:]}")
                for number in range(90, 100):
                    far.say(str(number))
                await until(lambda: len(page.heard) >= 100, "the page hears the kernel again")
                assert page.heard == [str(number) for number in range(100)]
                await far.all_taken()
            finally:
                page.close()
                await server.kill()

    asyncio.run(asyncio.wait_for(story(), 55))


@pytest.mark.parametrize("pause", [0.005, 0.002])
@pytest.mark.parametrize("hangs", [False, True], ids=["at once", "after it has hung"])
def test_a_server_killed_while_outputs_flow_takes_none_of_them_along(
    short_folder: Path, pause: float, hangs: bool
) -> None:
    """A kill may fall between the writing of a message and that of its receipt: then that one comes again."""
    kills = 3

    async def story() -> None:
        async with house(short_folder) as (far, _):
            answer_kernel_info(far)
            server, page = Server(far), Page()
            try:
                await page.connect(server, await server.start())
                await until(lambda: page.replies > 0, "the page has a reply")
                talking = asyncio.create_task(_talk(far, pause))
                for _ in range(kills):
                    await _until_more(lambda: len(page.heard), 20, "the page hears the kernel")
                    if hangs:
                        server.hang()
                        await _until_more(lambda: far.said[Lane.IOPUB], 50, "it speaks to a server that hangs")
                    await server.kill()
                    await asyncio.wait_for(page.parted.wait(), 10)
                    page.close()
                    await page.connect(server, await server.start())
                talking.cancel()
                await asyncio.wait([talking])
                far.say("the end")
                await until(lambda: page.heard[-1] == "the end", "the page has heard all")
                numbers = page.heard[:-1]
                assert list(dict.fromkeys(numbers)) == [str(number) for number in range(int(numbers[-1]) + 1)]
                assert len(numbers) - len(set(numbers)) <= kills
                await far.all_taken()
            finally:
                page.close()
                await server.kill()

    asyncio.run(asyncio.wait_for(story(), 100))


async def _talk(far: Far, pause: float) -> None:
    for number in itertools.count():
        far.say(str(number))
        await asyncio.sleep(pause)


async def _until_more(count: Callable[[], int], more: int, what: str) -> None:
    before = count()
    await until(lambda: count() > before + more, what)


@pytest.mark.parametrize("said_per_second", [20, 500])
def test_what_comes_late_and_all_at_once_is_a_flood_only_if_it_was_said_as_one(
    short_folder: Path, said_per_second: int
) -> None:
    """This server drops what comes faster than 50 messages a second."""
    count = 1000

    async def story() -> None:
        async with house(short_folder) as (far, _):
            answer_kernel_info(far)
            server, page = Server(far, "--ZMQChannelsWebsocketConnection.iopub_msg_rate_limit=50"), Page()
            try:
                await page.connect(server, await server.start())
                await until(lambda: page.replies > 0, "the page has a reply")
                for number in range(count):
                    far.say(str(number), age=60 + (count - number) / said_per_second)
                if said_per_second < 50:
                    await until(lambda: len(page.heard) == count, "the page hears it all")
                    assert page.heard == [str(number) for number in range(count)]
                else:
                    await until(
                        lambda: any("rate exceeded" in text for text in page.heard), "the server has had enough"
                    )
                await far.all_taken()
            finally:
                page.close()
                await server.kill()

    asyncio.run(asyncio.wait_for(story(), 55))
