"""Clients that are there: what a local kernel's sockets do, these do."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import zmq
import zmq.asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.session import Session

from jupyter_gpu_bridge.machine.facade import PORTS, Bounds, Facade
from jupyter_gpu_bridge.model import Lane
from tests.machine.facade.client_process import KEY
from tests.machine.facade.far import until


class House:
    """A façade in this process, and sockets that connect to it."""

    def __init__(self, folder: Path, bounds: Bounds | None = None) -> None:
        self.prefix = folder / "s" / "k"
        self.state = folder / "state"
        self.requests: list[tuple[Lane, list[bytes]]] = []
        self.taken: dict[Lane, int] = {}
        self.room: list[Lane] = []
        self.session = Session(session="the kernel", key=KEY)
        self.facade = Facade(
            "kernel",
            self.prefix,
            self.state,
            upward=lambda lane, frames: self.requests.append((lane, frames)),
            taken=self.taken.__setitem__,
            room=self.room.append,
            bounds=bounds,
        )
        self._context = zmq.asyncio.Context()

    def connect(self, kind: int, port: int, identity: bytes = b"", *, queue: int = 1000) -> zmq.asyncio.Socket:
        socket = self._context.socket(kind)
        if identity:
            socket.identity = identity
        socket.rcvhwm = queue
        socket.connect(f"ipc://{self.prefix}-{port}")
        return socket

    async def subscriber(self, topic: bytes = b"", *, queue: int = 1000) -> zmq.asyncio.Socket:
        before = self.facade.clients
        socket = self.connect(zmq.SUB, 2, queue=queue)
        socket.subscribe(topic)
        await until(lambda: self.facade.clients > before, "it is subscribed")
        return socket

    def status(self, state: str, request: str, kind: str = "execute_request") -> list[bytes]:
        parent = {"msg_id": request, "msg_type": kind}
        message = self.session.msg("status", {"execution_state": state}, parent={"header": parent})
        return self.session.serialize(message, ident=b"kernel.1.status")

    def close(self) -> None:
        self._context.destroy(linger=0)


@asynccontextmanager
async def opened(folder: Path, bounds: Bounds | None = None) -> AsyncIterator[House]:
    house = House(folder, bounds)
    await house.facade.open()
    try:
        yield house
    finally:
        house.close()
        await house.facade.close(forget=True)


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 30))


def test_a_kernel_client_of_jupyter_gets_replies_output_and_heartbeat(short_folder: Path) -> None:
    async def story() -> None:
        async with opened(short_folder) as house:
            client: AsyncKernelClient = AsyncKernelClient()
            info = {"transport": "ipc", "ip": os.fspath(house.prefix), "key": KEY, **PORTS}
            client.load_connection_info(info)  # type: ignore[arg-type]
            client.start_channels()
            try:
                request = client.execute("1")
                await until(lambda: bool(house.requests) and house.facade.clients == 1, "the request arrived")
                lane, frames = house.requests[0]
                assert lane is Lane.SHELL
                identities, rest = house.session.feed_identities(frames)
                parent = house.session.deserialize(rest)
                assert parent["header"]["msg_id"] == request
                house.facade.deliver(Lane.IOPUB, 1, house.status("busy", request))
                reply = house.session.msg("execute_reply", {"status": "ok"}, parent=parent)
                house.facade.deliver(Lane.SHELL, 1, house.session.serialize(reply, ident=identities))
                assert (await client.get_shell_msg(timeout=5))["content"] == {"status": "ok"}
                assert (await client.get_iopub_msg(timeout=5))["content"] == {"execution_state": "busy"}
                await until(client.hb_channel.is_beating, "the heart beats")
            finally:
                client.stop_channels()

    run(story())


def test_sockets_are_private_and_come_back_when_their_files_are_deleted(short_folder: Path) -> None:
    async def story() -> None:
        async with opened(short_folder) as house:
            before = await house.subscriber()
            paths = [house.prefix.with_name(f"k-{port}") for port in PORTS.values()]
            for path in paths:
                assert stat.S_IMODE(path.stat().st_mode) == 0o600
                path.unlink()
            assert stat.S_IMODE(house.prefix.parent.stat().st_mode) == 0o700
            house.facade.ensure_bound()
            after = await house.subscriber()
            house.facade.deliver(Lane.IOPUB, 1, [b"topic", b"to both"])
            assert await before.recv_multipart() == await after.recv_multipart() == [b"topic", b"to both"]

    run(story())


def _more_than(words: list[Lane], count: int) -> bool:
    return len(words) > count


def test_whoever_was_told_to_wait_is_told_when_there_is_room(short_folder: Path) -> None:
    """Also when what he said after being told to wait would have fitted again."""

    async def story() -> None:
        async with opened(short_folder, Bounds(ahead=1 << 20)) as house:
            socket = await house.subscriber(queue=1)
            number = 0
            for _ in range(30):
                while True:
                    number += 1
                    if not house.facade.deliver(Lane.IOPUB, number, [b"t", b"x" * 300_000]):
                        break
                told = len(house.room)
                for more in (1, 2):
                    await socket.recv_multipart()
                    await asyncio.sleep(0)
                    house.facade.deliver(Lane.IOPUB, number + more, [b"t", b"y"])
                number += 2
                while house.facade.taken_up_to(Lane.IOPUB) < number:
                    await asyncio.wait_for(socket.recv_multipart(), 5)
                await until(partial(_more_than, house.room, told), "there is room")

    run(story())


def test_nothing_is_taken_while_nobody_is_there_and_the_first_to_come_gets_it(short_folder: Path) -> None:
    async def story() -> None:
        async with opened(short_folder, Bounds(ahead=1000)) as house:
            assert house.facade.deliver(Lane.IOPUB, 1, [b"t", b"x" * 500])
            assert not house.facade.deliver(Lane.IOPUB, 2, [b"t", b"y" * 600])
            assert house.taken == {}
            socket = await house.subscriber()
            assert [(await socket.recv_multipart())[1][:1] for _ in range(2)] == [b"x", b"y"]
            assert (house.taken[Lane.IOPUB], house.facade.taken_up_to(Lane.IOPUB), house.room) == (2, 2, [Lane.IOPUB])

    run(story())


def test_topics_are_prefixes_and_unwanted_records_do_not_hold_anybody_up(short_folder: Path) -> None:
    async def story() -> None:
        async with opened(short_folder) as house:
            socket = await house.subscriber(b"wanted")
            for number, topic in enumerate([b"wanted.1", b"other", b"wanted.2"], start=1):
                house.facade.deliver(Lane.IOPUB, number, [topic, b"text"])
            assert [(await socket.recv_multipart())[0] for _ in range(2)] == [b"wanted.1", b"wanted.2"]
            assert house.taken[Lane.IOPUB] == 3

    run(story())


def test_a_client_that_stops_reading_does_not_stop_the_others(short_folder: Path) -> None:
    async def story() -> None:
        async with opened(short_folder, Bounds(stall_seconds=0.3, behind=8 << 20)) as house:
            reading = await house.subscriber()
            # With so short a queue libzmq stops reading its socket at once.
            stuck = await house.subscriber(queue=1)
            total, block = 60, b"z" * (1 << 20)
            for number in range(1, total + 1):
                house.facade.deliver(Lane.IOPUB, number, [b"t", str(number).encode(), block])
                assert (await asyncio.wait_for(reading.recv_multipart(), 10))[1] == str(number).encode()
            await until(lambda: house.facade.taken_up_to(Lane.IOPUB) > total - 16, "the stuck one was given up")
            stuck.close()

    run(story())


@pytest.mark.parametrize(("size", "count"), [(500_000, 20), (5_000, 3_000), (100_000, 200)])
def test_a_slow_reader_of_a_reply_does_not_hold_back_replies_to_others(
    short_folder: Path, size: int, count: int
) -> None:
    """And gets its own, also when so many were parked that their file is rewritten meanwhile."""

    async def story() -> None:
        async with opened(short_folder) as house:
            slow = house.connect(zmq.DEALER, 1, b"slow", queue=1)
            quick = house.connect(zmq.DEALER, 1, b"quick")
            await slow.send(b"hello")
            await quick.send(b"hello")
            await until(lambda: len(house.requests) == 2, "both are connected")
            for number in range(1, count + 1):
                house.facade.deliver(Lane.SHELL, number, [b"slow", str(number).encode(), bytes([number % 256]) * size])
            house.facade.deliver(Lane.SHELL, count + 1, [b"quick", b"for you"])
            assert await asyncio.wait_for(quick.recv_multipart(), 5) == [b"for you"]
            await until(lambda: house.taken.get(Lane.SHELL) == count + 1, "all are handed on or parked")
            for number in range(1, count + 1):
                assert await slow.recv_multipart() == [str(number).encode(), bytes([number % 256]) * size]

    run(story())


def test_busy_and_the_running_request_are_known_also_after_a_restart_of_the_link(short_folder: Path) -> None:
    async def story() -> None:
        house = House(short_folder)
        await house.facade.open()
        assert house.facade.busy is None
        house.facade.deliver(Lane.IOPUB, 1, house.status("busy", "request-1"))
        await house.facade.close(forget=False)
        async with opened(short_folder) as again:
            facade = again.facade
            assert (facade.busy, facade.execution_parent) == (True, "request-1")
            facade.deliver(Lane.IOPUB, 1, again.status("busy", "info", "kernel_info_request"))
            facade.deliver(Lane.IOPUB, 2, again.status("idle", "info", "kernel_info_request"))
            assert (facade.busy, facade.execution_parent) == (True, "request-1")
            facade.deliver(Lane.IOPUB, 3, again.status("idle", "request-1"))
            assert (facade.busy, facade.execution_parent) == (False, "")
        house.close()

    run(story())


def test_a_shutdown_request_is_held_back_only_while_asked_to(short_folder: Path) -> None:
    async def story() -> None:
        async with opened(short_folder) as house:
            socket, client = house.connect(zmq.DEALER, 4), Session(key=KEY)
            house.facade.hold_shutdown(True)
            client.send(zmq.Socket.shadow(socket), "shutdown_request")
            client.send(zmq.Socket.shadow(socket), "interrupt_request")
            await until(lambda: len(house.requests) == 1, "the other request arrived")
            house.facade.hold_shutdown(False)
            client.send(zmq.Socket.shadow(socket), "shutdown_request")
            await until(lambda: len(house.requests) == 2, "the shutdown arrived")
            kinds = [client.unpack(frames[3])["msg_type"] for _, frames in house.requests]
            assert kinds == ["interrupt_request", "shutdown_request"]
            assert house.requests[0][1][0][:1] == b"\0"

    run(story())


def test_a_session_closed_on_purpose_is_over(short_folder: Path) -> None:
    async def story() -> None:
        async with opened(short_folder) as house:
            other, socket = await house.subscriber(), await house.subscriber()
            shell = house.connect(zmq.DEALER, 1, b"page")
            await shell.send(b"hello")
            await until(lambda: house.facade.sessions_present == 1, "the session is there")
            shell.close()
            socket.close()
            await until(lambda: house.facade.sessions_present == 0, "it is over")
            assert house.facade.sessions_away == 0
            house.facade.deliver(Lane.IOPUB, 1, [b"t", b"later"])
            assert await other.recv_multipart() == [b"t", b"later"]
            await until(lambda: house.taken.get(Lane.IOPUB) == 1, "it is taken")
            await until(lambda: not list(house.state.glob("*.journal")), "nothing is kept for the one that left")

    run(story())
