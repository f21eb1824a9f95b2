"""How long 64 bytes take while a channel beside them is saturated: what the mux and its pacing are for.

A keeper holds outputs that a kernel produced before, so that nothing but the wire works while they flow.
`python -m benchmarks.urgent [--megabytes 600] [--only NAME]`
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from jupyter_client.session import Session

from benchmarks.report import line
from jupyter_gpu_bridge.agent.channel import Channel, pack_frames
from jupyter_gpu_bridge.agent.mux import BULK, NORMAL, URGENT, Mux
from jupyter_gpu_bridge.agent.outbox import Outbox
from jupyter_gpu_bridge.machine.carriers.base import Dialer
from jupyter_gpu_bridge.machine.carriers.openssh import OpenSshDialer
from jupyter_gpu_bridge.machine.carriers.paramiko_ssh import ParamikoDialer
from jupyter_gpu_bridge.machine.carriers.pipe import PipeDialer
from jupyter_gpu_bridge.machine.carriers.target import SshTarget
from jupyter_gpu_bridge.machine.link import boot
from jupyter_gpu_bridge.machine.link.connection import Connection
from jupyter_gpu_bridge.machine.link.questions import Questions
from tests.sshd import Sshd

_OUTPUT = """
from IPython.display import display
for _ in range({megabytes}): display({{"text/plain": "x" * 1_000_000}}, raw=True)
"""
_BAR_MS = 5.0
_BAR = "64 bytes on a carrier whose other channel is saturated: p95 <= 5 ms"


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=600)
    parser.add_argument("--only", choices=("pipe", "openssh", "paramiko"))
    given = parser.parse_args()
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="gu-") as folder, Sshd(Path(folder, "sshd")) as sshd:
        config = sshd.ssh_config(Path(folder, "config"), "bench")
        target = SshTarget("bench", "bench", Path(folder, "known_hosts"), config_file=config)
        dialers: list[Dialer] = [PipeDialer(), OpenSshDialer(target), ParamikoDialer(target)]
        for dialer in dialers:
            if given.only in (None, dialer.name):
                wire = Wire(dialer, str(Path(folder, dialer.name)))
                figures[dialer.name] = await wire.measure(given.megabytes)
    verdicts = {name: found["saturated_p95_ms"] <= _BAR_MS for name, found in figures.items()}
    print(json.dumps(line("urgent", _BAR, figures, verdicts)), flush=True)
    return 0 if all(verdicts.values()) else 1


class Wire:
    """One carrier, the agent at its end, and a kernel that was started there."""

    def __init__(self, dialer: Dialer, home: str) -> None:
        self._kernel_id = str(uuid.uuid4())
        self._session = Session(key=b"key")
        self._channels: dict[str, Channel] = {}
        self._flowed = 0
        self._replied = asyncio.Event()
        self._ended = asyncio.Event()
        self._connection = Connection(
            lambda: dialer,
            lambda: boot.command(sys.executable, home),
            "bench",
            came=self._came,
            went=lambda: None,
            changed=lambda: None,
            wanted=lambda: False,
        )

    async def measure(self, megabytes: int) -> dict[str, float]:
        mux = await self._connection.up()
        spec = {"kernel_id": self._kernel_id, "owner": "bench", "key": "key", "python": sys.executable}
        await self._questions.ask({"do": "start", "spec": spec})
        self._open(mux, "shell", NORMAL)
        self._open(mux, "life", URGENT)
        await self._fill(megabytes)
        idle = [await self._ping() for _ in range(200)]
        self._open(mux, "iopub", BULK)
        begun = time.perf_counter()
        saturated = []
        while self._flowed < megabytes * 1_000_000:
            saturated.append(await self._ping())
        flow = self._flowed / 1e6 / (time.perf_counter() - begun)
        self._channels["life"].send([b'{"do": "end"}'])
        await asyncio.wait_for(self._ended.wait(), 30)
        await self._questions.ask({"do": "end"})
        await self._connection.down()
        return {
            "idle_median_ms": _ms(statistics.median(idle)),
            "saturated_median_ms": _ms(statistics.median(saturated)),
            "saturated_p95_ms": _ms(_p95(saturated)),
            "pings": len(saturated),
            "flow_MB_s": round(flow, 1),
        }

    async def _fill(self, megabytes: int) -> None:
        content = {
            "code": _OUTPUT.format(megabytes=megabytes),
            "silent": False,
            "store_history": False,
            "user_expressions": {},
            "allow_stdin": False,
        }
        message = self._session.msg("execute_request", content)
        self._channels["shell"].send(pack_frames(self._session.serialize(message, ident=b"bench")))
        await asyncio.wait_for(self._replied.wait(), 120)

    async def _ping(self) -> float:
        """A question and its answer, of about 64 bytes each."""
        begun = time.perf_counter()
        await self._questions.ask({"do": "ping", "pad": "x" * 20})
        return time.perf_counter() - begun

    def _came(self, mux: Mux) -> None:
        self._questions = Questions()
        mux.open({"service": "control"}, self._questions.stream, URGENT)

    def _open(self, mux: Mux, lane: str, urgency: int) -> None:
        channel = Channel(
            Outbox(), lambda number, age, record: self._heard(lane, number, record), hello=lambda: {"owner": "bench"}
        )
        self._channels[lane] = channel
        request = {"service": "keeper", "kernel_id": self._kernel_id, "lane": lane, "owner": "bench"}
        mux.open(request, channel, urgency)

    def _heard(self, lane: str, number: int, record: memoryview) -> None:
        self._channels[lane].take(number)
        if lane == "iopub":
            self._flowed += len(record)
        elif lane == "shell":
            self._replied.set()
        elif b'"ended"' in bytes(record):
            self._ended.set()


def _p95(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
