"""Reads what a kernel publishes and throws it away, in a process of its own, so as not to slow the one that measures.

Says each second on stdout how many bytes came, until its stdin ends.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import zmq
from jupyter_client.blocking.client import BlockingKernelClient

from tests.compatibility.world import REPOSITORY


@dataclass(slots=True)
class Drained:
    """What the other process told so far: bytes of each second."""

    seconds: list[int] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)

    @property
    def megabytes_per_second(self) -> float:
        flowing = [count for count in self.seconds if count]
        return round(sum(flowing) / len(flowing) / 1e6) if flowing else 0.0


@contextmanager
def drained(connection_file: str) -> Iterator[Drained]:
    """While inside, everything that this kernel publishes is taken by a client of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.drain", connection_file],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    found = Drained()
    reader = threading.Thread(target=_listen, args=(process, found), daemon=True)
    reader.start()
    try:
        yield found
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(10)
        reader.join()


def _listen(process: subprocess.Popen[str], found: Drained) -> None:
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            found.seconds.append(int(line))
            if found.seconds[-1] > 1_000_000:
                found.begun.set()


def _drain(connection_file: str) -> None:
    client = BlockingKernelClient(connection_file=connection_file)
    client.load_connection_file()
    socket = client.connect_iopub()
    ended = threading.Event()
    threading.Thread(target=_set_at_end_of_input, args=(ended,), daemon=True).start()
    count, until = 0, time.monotonic() + 1
    while not ended.is_set():
        if socket.poll(100):
            count += sum(len(frame.buffer) for frame in socket.recv_multipart(zmq.NOBLOCK, copy=False))
        if time.monotonic() >= until:
            print(count, flush=True)
            count, until = 0, time.monotonic() + 1


def _set_at_end_of_input(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


if __name__ == "__main__":
    _drain(sys.argv[1])
