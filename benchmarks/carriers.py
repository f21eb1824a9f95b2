"""How fast each carrier is over loopback: MB/s either way, and the round trip of 64 bytes on an idle connection.

Prints one JSON line for each carrier. `python -m benchmarks.carriers [--megabytes 512] [--only NAME] [--ciphers LIST]`
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import tempfile
import time
from pathlib import Path

from jupyter_gpu_bridge.machine.carriers.base import Carrier, Dialer
from jupyter_gpu_bridge.machine.carriers.openssh import OpenSshDialer
from jupyter_gpu_bridge.machine.carriers.paramiko_ssh import ParamikoDialer
from jupyter_gpu_bridge.machine.carriers.pipe import PipeDialer
from jupyter_gpu_bridge.machine.carriers.target import SshTarget
from tests.sshd import Sshd

_PINGS = 300
_MEGABYTE = 1_000_000


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=512)
    parser.add_argument("--only", choices=("pipe", "openssh", "paramiko"))
    parser.add_argument("--ciphers", help="for openssh: what ssh_config says, instead of our preference")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Sshd(Path(folder, "sshd")) as sshd:
        also = [f"Ciphers {given.ciphers}"] if given.ciphers else []
        config = sshd.ssh_config(Path(folder, "config"), "bench", also=also)
        target = SshTarget("bench", "bench", Path(folder, "known_hosts"), config_file=config)
        dialers: list[Dialer] = [PipeDialer(), OpenSshDialer(target), ParamikoDialer(target)]
        for dialer in dialers:
            if given.only in (None, dialer.name):
                print(json.dumps(await _measure(dialer, given.megabytes * _MEGABYTE)), flush=True)


async def _measure(dialer: Dialer, size: int) -> dict[str, str | float]:
    dials = [await _dial_seconds(dialer) for _ in range(3)]
    down, up = await _down(dialer, size), await _up(dialer, size)
    round_trips = await _round_trips(dialer)
    return {
        "benchmark": "carriers",
        "carrier": dialer.name,
        "down_MB_s": round(size / down / _MEGABYTE, 1),
        "up_MB_s": round(size / up / _MEGABYTE, 1),
        "round_trip_ms_median": round(statistics.median(round_trips) * 1000, 3),
        "round_trip_ms_p95": round(statistics.quantiles(round_trips, n=20)[-1] * 1000, 3),
        "dial_s_median": round(statistics.median(dials), 3),
    }


async def _dial_seconds(dialer: Dialer) -> float:
    start = time.perf_counter()
    carrier = await dialer.dial("exec cat")
    seconds = time.perf_counter() - start
    await carrier.close()
    return seconds


async def _down(dialer: Dialer, size: int) -> float:
    carrier = await dialer.dial(f"read go; exec head -c {size} /dev/zero")
    with _end(carrier) as end:
        loop = asyncio.get_running_loop()
        buffer = bytearray(1 << 20)
        start = time.perf_counter()
        await loop.sock_sendall(end, b"go\n")
        left = size
        while left:
            left -= await loop.sock_recv_into(end, buffer)
        seconds = time.perf_counter() - start
    await carrier.close()
    return seconds


async def _up(dialer: Dialer, size: int) -> float:
    carrier = await dialer.dial(f"head -c {size} > /dev/null; echo done")
    with _end(carrier) as end:
        loop = asyncio.get_running_loop()
        chunk = bytes(1 << 20)
        start = time.perf_counter()
        left = size
        while left:
            await loop.sock_sendall(end, chunk[:left])
            left -= min(left, len(chunk))
        await loop.sock_recv(end, 16)
        seconds = time.perf_counter() - start
    await carrier.close()
    return seconds


async def _round_trips(dialer: Dialer) -> list[float]:
    carrier = await dialer.dial("exec cat")
    message = bytes(64)
    found = []
    with _end(carrier) as end:
        loop = asyncio.get_running_loop()
        for _ in range(_PINGS):
            start = time.perf_counter()
            await loop.sock_sendall(end, message)
            await loop.sock_recv(end, 64)
            found.append(time.perf_counter() - start)
    await carrier.close()
    return found


def _end(carrier: Carrier) -> socket.socket:
    """A descriptor of our own for the carrier's end."""
    return socket.socket(fileno=os.dup(carrier.reader))


if __name__ == "__main__":
    asyncio.run(main())
