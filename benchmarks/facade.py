"""Our façade beside libzmq's own sockets, in the same run: `python -m benchmarks.facade` prints one JSON line.

Each server runs in a process of its own and each client too, over Unix sockets, as in real life. Throughput: 1 MB
messages to one SUB; latency: small messages to a DEALER and back.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import zmq

from jupyter_gpu_bridge.machine.facade import Facade
from jupyter_gpu_bridge.model import Lane

_MESSAGES = 300
_SIZE = 1_000_000
_SMALL = 20_000
_PINGS = 2000


def serve_facade(prefix: Path, go: Connection) -> None:
    async def serve() -> None:
        numbers = dict.fromkeys(Lane, 0)
        room = asyncio.Event()

        async def say(frames: list[bytes]) -> None:
            numbers[Lane.IOPUB] += 1
            if not facade.deliver(Lane.IOPUB, numbers[Lane.IOPUB], frames):
                room.clear()
                await room.wait()

        def echo(lane: Lane, frames: list[bytes]) -> None:
            numbers[lane] += 1
            facade.deliver(lane, numbers[lane], frames)

        facade = Facade(
            "kernel",
            prefix,
            prefix.parent / "state",
            upward=echo,
            taken=lambda lane, number: None,
            room=lambda lane: room.set(),
        )
        await facade.open()
        go.send("ready")
        loop = asyncio.get_running_loop()
        while (order := await loop.run_in_executor(None, go.recv)) != "end":
            count, frames = order
            for turn in range(count):
                await say(frames)
                if turn % 16 == 15:
                    await asyncio.sleep(0)
        await facade.close(forget=True)

    asyncio.run(serve())


def serve_libzmq(prefix: Path, go: Connection) -> None:
    context = zmq.Context()
    router, publisher = context.socket(zmq.ROUTER), context.socket(zmq.XPUB)
    for socket in (router, publisher):
        socket.sndhwm = socket.rcvhwm = 0
    router.bind(f"ipc://{prefix}-1")
    publisher.bind(f"ipc://{prefix}-2")
    poller = zmq.Poller()
    poller.register(router, zmq.POLLIN)
    poller.register(go.fileno(), zmq.POLLIN)
    go.send("ready")
    while True:
        ready = dict(poller.poll())
        if router in ready:
            router.send_multipart(router.recv_multipart())
        if go.fileno() in ready:
            order = go.recv()
            if order == "end":
                break
            count, frames = order
            for _ in range(count):
                publisher.send_multipart(frames, copy=False)
    context.destroy(linger=0)


def measure(serve: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="jgb") as folder:
        prefix = Path(folder) / "k"
        mine, theirs = multiprocessing.Pipe()
        server = multiprocessing.get_context("spawn").Process(target=globals()[serve], args=(prefix, theirs))
        server.start()
        context = zmq.Context()
        try:
            mine.recv()
            return {**throughput(context, prefix, mine), **round_trips(context, prefix)}
        finally:
            mine.send("end")
            context.destroy(linger=0)
            server.join(10)


def throughput(context: zmq.Context[zmq.Socket[bytes]], prefix: Path, server: Connection) -> dict[str, float]:
    socket = context.socket(zmq.SUB)
    socket.rcvhwm = 0
    socket.connect(f"ipc://{prefix}-2")
    socket.subscribe(b"")
    server.send((1, [b"first", b""]))
    while not socket.poll(100):
        server.send((1, [b"first", b""]))
    while socket.poll(200):
        socket.recv_multipart()
    found = {}
    for name, count, frames in (
        ("big_mb_per_s", _MESSAGES, [b"topic", os.urandom(_SIZE)]),
        (
            "small_per_s",
            _SMALL,
            [b"kernel.1.stream", b"<IDS|MSG>", b"x" * 64, b"h" * 200, b"p" * 200, b"{}", b"c" * 60],
        ),
    ):
        server.send((count, frames))
        socket.recv_multipart(copy=False)
        begun = time.perf_counter()
        for _ in range(count - 1):
            socket.recv_multipart(copy=False)
        per_second = (count - 1) / (time.perf_counter() - begun)
        found[name] = round(per_second * (_SIZE / 1e6 if name.startswith("big") else 1), 1)
    socket.close()
    return found


def round_trips(context: zmq.Context[zmq.Socket[bytes]], prefix: Path) -> dict[str, float]:
    socket = context.socket(zmq.DEALER)
    socket.identity = b"bench"
    socket.connect(f"ipc://{prefix}-1")
    times = []
    for _ in range(_PINGS):
        begun = time.perf_counter()
        socket.send_multipart([b"<IDS|MSG>", b"x" * 200])
        socket.recv_multipart()
        times.append((time.perf_counter() - begun) * 1e6)
    times.sort()
    return {
        "round_trip_us": round(statistics.median(times), 1),
        "round_trip_p95_us": round(times[_PINGS * 95 // 100], 1),
    }


if __name__ == "__main__":
    print(json.dumps({"facade": measure("serve_facade"), "libzmq": measure("serve_libzmq")}))
