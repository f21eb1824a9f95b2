"""Which servers of this user are found, that a token goes nowhere else, and that none holds up the command."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from jupyter_gpu_bridge.cli import servers
from jupyter_gpu_bridge.cli.health_there import look
from jupyter_gpu_bridge.cli.servers import NotAsked, NotThere, Server, Silent, ask_all, running
from tests.cli.calls import Call
from tests.ports import free_port

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(30)]

TOKEN = "a-token-of-this-test"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def on_asyncio(anyio_backend: str) -> None:
    """anyio only notices its tests by this fixture where pytest-jupyter has made the test items before it."""


@dataclass
class Listening:
    """Something at an address of this computer that answers the same to everybody."""

    answer: bytes
    heard: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard.append(await reader.readuntil(b"\r\n\r\n"))
        if self.answer:
            writer.write(self.answer)
            await writer.drain()
            writer.close()
        else:
            await reader.read()
            writer.close()


@asynccontextmanager
async def listening(port: int, answer: bytes = b"", path: str = "") -> AsyncIterator[Listening]:
    one = Listening(answer)
    served = asyncio.start_unix_server(one.serve, path) if path else asyncio.start_server(one.serve, "127.0.0.1", port)
    server = await served
    try:
        yield one
    finally:
        server.close()


def http(content: object, status: str = "200 OK", more: str = "") -> bytes:
    body = json.dumps(content).encode()
    return f"HTTP/1.1 {status}\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode() + body


def written(home: Path, name: str = "1", **said: Any) -> Path:
    """As Jupyter writes down where a server is."""
    usual = {
        "url": "http://127.0.0.1:8888/", "hostname": "127.0.0.1", "port": 8888, "sock": "", "secure": False,
        "base_url": "/", "token": TOKEN, "root_dir": "/work", "password": False, "pid": os.getpid(), "version": "2",
    }  # fmt: skip
    path = home / "run" / f"jpserver-{name}.json"
    path.write_text(json.dumps({**usual, **said}))
    return path


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ({}, "http://127.0.0.1:8888/"),
        ({"url": "http://localhost:8889/lab/", "hostname": "localhost", "base_url": "/lab/"}, "http://localhost:8889/lab/"),
        ({"url": "https://[::1]:8888/", "hostname": "::1"}, "https://[::1]:8888/"),
        ({"url": "http://mybox:8888/", "hostname": "::"}, "http://127.0.0.1:8888/"),
        ({"url": "http://mybox:8888/", "hostname": ""}, "http://127.0.0.1:8888/"),
        ({"url": "http+unix://%2Frun%2Fj/", "sock": "/run/j"}, "http://localhost/"),
        ({"url": "http://mybox:8888/", "hostname": "mybox"}, None),
        ({"url": "http://192.0.2.1:8888/", "hostname": "192.0.2.1"}, None),
        ({"url": "http://127.0.0.1.example.org:8888/", "hostname": "127.0.0.1.example.org"}, None),
        ({"url": "http://localhost@192.0.2.1:8888/", "hostname": "localhost"}, None),
        ({"url": "ftp://127.0.0.1:8888/"}, None),
        ({"url": "http://127.0.0.1:port/"}, None),
        ({"url": None}, None),
        ({"pid": "me"}, None),
        ({"pid": None}, None),
    ],
)  # fmt: skip
def test_only_those_are_found_that_a_token_reaches_without_leaving_this_computer(
    own_home: Path, said: dict[str, Any], address: str | None
) -> None:
    written(own_home, **said)
    found = running()
    assert [server.address for server in found] == ([address] if address else [])
    assert all(TOKEN not in repr(server) + server.title for server in found)


def test_who_has_died_is_left_out_and_so_is_what_is_no_server(own_home: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    dead = written(own_home, "dead", pid=process.pid)
    for number, text in enumerate(("", "{", "[]", "3", '{"pid": {}}')):
        (own_home / "run" / f"jpserver-{number}.json").write_text(text)
    (own_home / "run" / "kernel-1.json").write_text("{}")
    assert running() == []
    assert dead.exists(), "it is not ours to tidy up"


def test_without_any_folder_there_is_none(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(own_home / "nowhere"))
    assert running() == []


async def test_the_token_is_in_a_header_and_a_redirect_is_not_followed() -> None:
    port, other = free_port(), free_port()
    elsewhere = f"Location: http://127.0.0.1:{other}/x\r\n"
    async with listening(port, http({}, "302 Found", elsewhere)) as one, listening(other, http({})) as thief:
        with pytest.raises(NotAsked, match="302 Found"):
            await Server(f"http://127.0.0.1:{port}/", "/work", "", TOKEN).ask("api")
        (heard,) = one.heard
        assert heard.startswith(b"GET /api HTTP/1.1\r\n")
        assert f"Authorization: token {TOKEN}".encode() in heard
        assert thief.heard == []


async def test_one_behind_a_socket_is_asked_there(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    async with listening(0, http({"fine": True}), path) as one:
        assert await Server("http://localhost/base/", "/work", path, TOKEN).ask("api", method="POST") == {"fine": True}
        assert one.heard[0].startswith(b"POST /base/api HTTP/1.1\r\n")


async def test_one_that_hangs_costs_a_moment_and_its_own_row_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "_WITHIN", 0.5)
    ports = [free_port() for _ in range(4)]
    those = [Server(f"http://127.0.0.1:{port}/", "/work", "", TOKEN) for port in ports]
    gone, gone_socket = (
        Server(f"http://127.0.0.1:{free_port()}/", "/work", "", TOKEN),
        Server("http://localhost/", "/work", "/nowhere/s", TOKEN),
    )
    async with (
        listening(ports[0]),
        listening(ports[1]),
        listening(ports[2], http({"fine": True})),
        listening(ports[3], http({}, "404 Not Found")),
    ):
        start = time.monotonic()
        answers = await ask_all([*those, gone, gone_socket], "api")
        assert time.monotonic() - start < 5
    assert [type(answer) for answer in answers] == [Silent, Silent, dict, NotThere, NotThere, NotThere]


@pytest.mark.parametrize(
    "answer",
    [
        http([]), http({"providers": [{}]}), http({"providers": 3}), http(None), b"HTTP/1.1 200 OK\r\n\r\n<html>",
        b"what is this?\r\n\r\n", http({"message": "No.", "error": "x"}, "403 Forbidden"), http("x" * (2 << 20)),
    ],
)  # fmt: skip
async def test_whatever_a_program_there_says_is_said_of_it_and_breaks_nothing(answer: bytes) -> None:
    port = free_port()
    async with listening(port, answer):
        (there,) = await look([Server(f"http://127.0.0.1:{port}/", "/work", "", TOKEN)])
    assert there.health is None
    assert there.silent
    assert there.is_well, "it says nothing of any provider"


async def test_what_it_was_to_do_and_has_not_done_is_told() -> None:
    port = free_port()
    async with listening(port, http({"message": "No."}, "403 Forbidden")):
        (there,) = await look([Server(f"http://127.0.0.1:{port}/", "/work", "", TOKEN)], reset="acme", forget="")
    assert there.trouble == [
        "acme was not reset there. It has refused: No.",
        "No offers were forgotten there. It has refused: No.",
        "It has refused: No.",
    ]
    assert not there.is_well


async def test_one_that_hangs_is_not_asked_again_after_it_did_not_do_the_first_thing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(servers, "_WITHIN", 0.3)
    port = free_port()
    async with listening(port) as one:
        (there,) = await look([Server(f"http://127.0.0.1:{port}/", "/work", "", TOKEN)], reset="acme", forget="acme")
        assert len(one.heard) == 1
    assert len(there.undone) == 1
    assert not there.is_well
    assert there.silent in there.undone[0]


def test_a_server_that_has_just_ended_is_not_mentioned(own_home: Path, call: Call) -> None:
    written(own_home, url=f"http://127.0.0.1:{free_port()}/")
    answer = call("health")
    assert (answer.status, answer.out) == (0, "No provider is set up.\n")
    assert call("health", "--json").data["servers"] == []
