"""Peers that are not what they should be, on every wire of ours: sent away, written down, and no harm to the kernel."""

from __future__ import annotations

import array
import asyncio
import contextlib
import json
import os
import random
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from jupyter_gpu_bridge.agent.places import kernel_sockets, sockets_folder
from jupyter_gpu_bridge.errors import BridgeError, PeerMisbehaved
from jupyter_gpu_bridge.machine.carriers import PipeDialer
from jupyter_gpu_bridge.machine.link import wire
from jupyter_gpu_bridge.machine.link.boot import MARK, MOST_NOISE, Boot
from jupyter_gpu_bridge.machine.link.kernel import LinkedKernel
from tests.machine.link.near import DEADLINE, Near, client_of, near, printed, served

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

_CHANCE = random.Random(7)
NOISE: Sequence[bytes] = (
    b"",
    b"\n",
    b"\x00" * 5000,
    b"x" * 100_000,
    b"{}\n",
    b"[]\n",
    b"null\n",
    b'{"lane": "shell"}\n',
    b'{"lane": "shell", "owner": "somebody else"}\n' + b"\x01" * 300,
    b'{"lane": ["shell"]}\n',
    b'{"lane": "nowhere", "owner": "x"}\n',
    b"[" * 4000 + b"\n",
    b"\xff\xfe\n",
    b'{"id": [1], "do": "status"}\n',
    b'{"id": 1, "do": ["status"]}\n',
    b'{"id": 1, "do": "start"}\n',
    b'{"id": 1, "do": "start", "order": {"kernel_id": 7, "key": null}}\n',
    b'{"id": 1, "do": "start", "order": {"kernel_id": "../../x", "key": "k"}}\n',
    b'{"id": 1, "do": "relaunch", "order": {}}\n',
    b'{"id": 1, "do": "stop", "kernel_id": {}}\n',
    b'{"id": 1, "do": "hello", "pid": "x"}\n',
    b'{"id": 1, "do": "nothing we know"}\n',
    *(_CHANCE.randbytes(_CHANCE.randint(1, 3000)) for _ in range(10)),
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def _visit(path: Path, words: bytes) -> None:
    """Say this, hear what there is to hear for a moment, and go."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    with contextlib.suppress(ConnectionError):
        writer.write(words)
        writer.write_eof()
        await asyncio.wait_for(reader.read(), DEADLINE)
    writer.close()


@asynccontextmanager
async def unharmed() -> AsyncIterator[tuple[Near, LinkedKernel]]:
    """A machine with a kernel, which afterwards is the same one as before, with the same agent and the same keeper."""
    async with near() as world:
        kernel = await world.start()
        async with client_of(kernel) as client:
            before = await printed(client, "import os; x = 41; print(os.getpid())")
            agents, keepers = world.agents(), world.keepers()
            asked = client.execute("import time\nfor number in range(60): print(number, flush=True); time.sleep(0.02)")
            yield world, kernel
            lines: list[str] = []
            while len(lines) < 60:
                message = await client.get_iopub_msg(timeout=DEADLINE)
                if message["parent_header"].get("msg_id") == asked and message["msg_type"] == "stream":
                    lines += message["content"]["text"].split()
            assert lines == [str(number) for number in range(60)]
            assert await printed(client, "print(os.getpid())") == before
            assert await printed(client, "print(x + 1)") == "42\n"
        assert (agents, keepers) == (world.agents(), world.keepers())
        await world.link.stop(kernel.order.kernel_id)
        await world.is_clean()


async def test_the_private_socket_of_a_link(caplog: pytest.LogCaptureFixture) -> None:
    async with unharmed() as (world, kernel), served(world) as path:
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        for noise in NOISE:
            await _visit(path, noise)
        await _visit(path, b"x" * (wire.MOST_LINE + 10) + b"\n")
        reader, writer = await asyncio.open_unix_connection(str(path), limit=wire.MOST_LINE)
        writer.write(wire.line({"id": 1, "do": "status"}))
        answer = json.loads(await reader.readline())
        assert [each["kernel_id"] for each in answer["ok"]["kernels"]] == [kernel.order.kernel_id]
        writer.close()
    rules = ("a line of more than 16777216 bytes", "a line that is not JSON", "a line that is no message")
    for rule in (*rules, "a question without a number"):
        assert f"was sent away: it sent {rule}" in caplog.text


async def test_a_program_that_never_reads_its_answers_is_let_go(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("jupyter_gpu_bridge.machine.link.service.MOST_UNREAD", 100_000)
    async with unharmed() as (world, _), served(world) as path:
        reader, writer = await asyncio.open_unix_connection(str(path))
        with contextlib.suppress(ConnectionError):
            for number in range(20_000):
                writer.write(wire.line({"id": number, "do": "status"}))
                await writer.drain()
        writer.close()
        del reader
    assert caplog.text.count("was sent away: it does not read what it asks for") == 1


async def test_the_socket_of_an_agent() -> None:
    async with unharmed() as (world, _):
        (path,) = (each for each in sockets_folder(world.home).iterdir() if each.name.startswith("agent-"))
        silent = await asyncio.open_unix_connection(str(path))
        for noise in NOISE:
            await _visit(path, noise)
        nothing, file = os.open(os.devnull, os.O_RDWR), os.open(world.folder / "file", os.O_RDWR | os.O_CREAT)
        for descriptors in ([nothing], [file, file], [nothing] * 3):
            await _hand_over(path, descriptors)
        os.close(nothing)
        os.close(file)
        await _babble_as_a_link(path, world)
        silent[1].close()
        log = (world.home / "agent.log").read_text()
        assert "a visitor was sent away" in log
        assert "a carrier ended: the other end sent something that makes no sense" in log
        assert "Traceback" not in log


async def _hand_over(path: Path, descriptors: list[int]) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(path))
        rights = array.array("i", descriptors)
        connection.sendmsg([b"attach\n"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        connection.setblocking(False)
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(asyncio.get_running_loop().sock_recv(connection, 1), DEADLINE)


async def _babble_as_a_link(path: Path, world: Near) -> None:
    """A pipe is handed over properly, and then something else comes out of it than a link would say."""
    loop = asyncio.get_running_loop()
    for words in (b"\xff" * 100, b"GET / HTTP/1.1\r\n\r\n", bytes(100_000), _CHANCE.randbytes(5000)):
        ours, theirs = socket.socketpair()
        with ours, theirs, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as holder:
            holder.connect(str(path))
            rights = array.array("i", [theirs.fileno(), theirs.fileno()])
            holder.sendmsg([b"attach\n"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
            theirs.close()
            ours.setblocking(False)
            with contextlib.suppress(ConnectionError):
                await asyncio.wait_for(loop.sock_sendall(ours, words), DEADLINE)
                while await asyncio.wait_for(loop.sock_recv(ours, 65536), DEADLINE):
                    continue


async def test_the_socket_of_a_keeper() -> None:
    async with unharmed() as (world, kernel):
        path = Path(kernel_sockets(world.home, kernel.order.kernel_id) + "keeper")
        assert path.parent.stat().st_mode & 0o777 == 0o700
        silent = await asyncio.open_unix_connection(str(path))
        for noise in NOISE:
            await _visit(path, noise)
        silent[1].close()
        log = (world.home / "kernels" / kernel.order.kernel_id / "keeper.log").read_text()
        assert "this kernel belongs to another link" in log
        assert "Traceback" not in log


async def test_whoever_knows_the_owner_and_talks_rubbish_only_delays_the_link() -> None:
    async with unharmed() as (world, kernel):
        path = Path(kernel_sockets(world.home, kernel.order.kernel_id) + "keeper")
        for lane in ("shell", "control", "stdin", "iopub", "life"):
            request = json.dumps({"lane": lane, "owner": world.link.identity}).encode() + b"\n"
            for words in (b"", b"\xff" * 200, b"\x01" + bytes(15) + b"\x02" + bytes(7) + b"{}"):
                await _visit_and_leave(path, request + words)


async def _visit_and_leave(path: Path, words: bytes) -> None:
    _, writer = await asyncio.open_unix_connection(str(path))
    with contextlib.suppress(ConnectionError):
        writer.write(words)
        await writer.drain()
        await asyncio.sleep(0.02)
    writer.close()


# the far end ---------------------------------------------------------------------------------------------------------

_READY = MARK.decode("latin-1") + '{"home": "/x", "python": "/y"}\n'


class Impostor(PipeDialer):
    """Runs a program of its own, whatever it is asked to run."""

    def __init__(self, program: str) -> None:
        super().__init__((sys.executable, "-c", program))


async def test_machines_that_say_something_else_than_our_program_does() -> None:
    write = "import sys, time, os\ndef say(text): os.write(1, text.encode('latin-1'))\n"
    cases = {
        "while True: say('Welcome! ' * 1000)": "printed a lot and never started our program",
        "say('bash: no job control in this shell\\n')": "did not start there",
        f"say({MARK.decode('latin-1')!r} + 'nonsense\\n'); time.sleep(9)": "something that makes no sense",
        f"say({MARK.decode('latin-1')!r} + '[]\\n'); time.sleep(9)": "something that makes no sense",
        f"say({MARK.decode('latin-1')!r} + '{{}}\\n'); time.sleep(9)": "something that makes no sense",
        f"say({MARK.decode('latin-1')!r} + '{{\"error\": 5}}\\n'); time.sleep(9)": "something that makes no sense",
        f"say({MARK.decode('latin-1')!r} * 99999); time.sleep(9)": "printed a lot",
        f"while True: say({MARK.decode('latin-1')!r} + '{{\"need\": 1}}\\n')": "something that makes no sense",
        f"say({_READY!r})": "did not answer as it should",
        f"say({_READY!r}); say(chr(255) * 100); time.sleep(9)": "a frame of kind 255",
        f"say({_READY!r}); os.write(1, os.urandom(100000)); time.sleep(9)": "did not answer as it should",
        f"say({_READY!r}); os.write(1, b'\\x01\\x00\\x00\\x00\\x0e\\x00\\x00\\x00' + b'{{\"version\": 9}}'); "
        "time.sleep(9)": "protocol version 9 instead of 1",
    }
    for program, expected in cases.items():
        async with near(dialer=Impostor(write + program)) as world:
            with pytest.raises(BridgeError) as caught:
                await world.start()
            assert expected in str(caught.value), program
            assert "Traceback" not in str(caught.value)
            await world.is_clean()


async def test_an_agent_that_turns_hostile_after_its_greeting_is_left_and_asked_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hello = "b'\\x01\\x00\\x00\\x00\\x0e\\x00\\x00\\x00' + b'{\"version\": 1}'"
    program = f"import os, time\nos.write(1, {_READY.encode('latin-1')!r})\nos.write(1, {hello})\ntime.sleep(0.3)\n"
    async with near(dialer=Impostor(program + "os.write(1, b'\\xff' * 999)\ntime.sleep(9)")) as world:
        start = asyncio.ensure_future(world.start())
        await asyncio.wait([start], timeout=2.5)
        assert not start.done()
        assert world.link.connection.ups > 1
        assert (
            "carrier lost after 0 s: the other end sent something that makes no sense (a frame of kind 255"
            in caplog.text
        )
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start


@pytest.mark.parametrize("noise", [b"", b"Last login: yesterday\r\n", b"\x02GPB", b"\x1b[31m" * 500])
def test_a_login_that_prints_something_first_is_no_obstacle(noise: bytes) -> None:
    boot = Boot()
    words = noise + b"\n" + _READY.encode("latin-1") + b"what follows"
    rests = [boot.feed(words[at : at + 1]) for at in range(len(words) - len(b"what follows"))]
    assert set(rests[:-1]) == {(b"", None)}
    assert rests[-1] == (b"", b"")
    assert (boot.home, boot.python) == ("/x", "/y")


def test_the_first_words_never_crash_the_reader() -> None:
    chance = random.Random(3)
    for _ in range(500):
        boot = Boot()
        words = b"".join(
            chance.choice((MARK, b"\n", b"{", b'"need"', b'{"need": 1}', b'{"error": {}}', chance.randbytes(20)))
            for _ in range(12)
        )
        with contextlib.suppress(BridgeError):
            boot.feed(words)


def test_there_is_a_limit_to_what_a_login_may_print() -> None:
    boot = Boot()
    boot.feed(b"x" * MOST_NOISE)
    with pytest.raises(PeerMisbehaved):
        boot.feed(b"x")
