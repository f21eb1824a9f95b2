"""Cells that outlast bad weather, one client for each, all watched at the same time with the moment of every line."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty

from jupyter_client.blocking.client import BlockingKernelClient

from benchmarks.kernels import Kernel
from benchmarks.report import Figures
from tests.compatibility.conversation import Message, NoAnswer, run


@dataclass(slots=True)
class Seen:
    """What a client saw of one cell, and when (`time.monotonic`)."""

    lines: list[str] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)
    replied: float | None = None
    idle: float | None = None
    comm_id: str = ""

    def first_after(self, moment: float) -> float | None:
        """Seconds from a moment to the next sign of life of the cell."""
        ends = [each for each in (self.replied, self.idle) if each is not None]
        return min((each - moment for each in [*self.moments, *ends] if each >= moment), default=None)


class Watch:
    """Follows one cell on a thread of its own until it has replied and is idle, or until `close`."""

    def __init__(self, kernel: Kernel, code: str) -> None:
        self.kernel = kernel
        self.client: BlockingKernelClient = kernel.ready_client()
        self.pid = kernel.pid(self.client)
        self.seen = Seen()
        self._partial = ""
        self._closing = threading.Event()
        self.asked = self.client.execute(code)
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    @property
    def has_ended(self) -> bool:
        return self.seen.replied is not None and self.seen.idle is not None

    def wait(self, deadline: float) -> None:
        self._thread.join(deadline)

    def close(self) -> None:
        self._closing.set()
        self._thread.join()

    def same_kernel(self) -> bool:
        """Whether the process that began the cell still answers, under the same pid."""
        try:
            return int(run(self.client, "import os; print(os.getpid())", deadline=20).stdout) == self.pid
        except (NoAnswer, ValueError):
            return False

    def _follow(self) -> None:
        while not self._closing.is_set() and not self.has_ended:
            with suppress(Empty):
                self._take(self.client.get_iopub_msg(timeout=0.02))
            if self.client.shell_channel.msg_ready():
                reply = self.client.get_shell_msg(timeout=1)
                if reply["parent_header"].get("msg_id") == self.asked:
                    self.seen.replied = time.monotonic()

    def _take(self, message: Message) -> None:
        if message["parent_header"].get("msg_id") != self.asked:
            return
        now = time.monotonic()
        content = message["content"]
        if message["msg_type"] == "stream":
            *whole, self._partial = (self._partial + content["text"]).split("\n")
            self.seen.lines += whole
            self.seen.moments += [now] * len(whole)
        elif message["msg_type"] == "comm_open":
            self.seen.comm_id = content["comm_id"]
        elif message["msg_type"] == "comm_msg":
            self.seen.lines.append(f"comm {content['data']['number']}")
            self.seen.moments.append(now)
        elif message["msg_type"] == "status" and content["execution_state"] == "idle":
            self.seen.idle = now


def judge(watch: Watch, expected: list[str], weather_ended: float) -> Figures:
    """How much of what the cell said arrived, and how soon after the weather had cleared."""
    lines, state = watch.seen.lines, watch.kernel.state()
    first = watch.seen.first_after(weather_ended)
    return {
        "lines": len(set(lines) & set(expected)),
        "of": len(expected),
        "repeated": len(lines) - len(set(lines)),
        "in_order": lines == sorted(lines, key=lambda line: expected.index(line) if line in expected else -1),
        "reply": watch.seen.replied is not None,
        "idle": watch.seen.idle is not None,
        "same_pid": watch.same_kernel(),
        "restarts": state["restarts"],
        "first_output_s": None if first is None else round(first, 2),
    }


def is_whole(figures: Figures) -> bool:
    """Nothing was lost, repeated, out of order, left hanging or restarted."""
    everything = figures["lines"] == figures["of"] and figures["repeated"] == 0 and figures["restarts"] == 0
    return bool(everything and all(figures[name] for name in ("in_order", "reply", "idle", "same_pid")))
