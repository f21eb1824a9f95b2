"""Requests that a client makes through sockets without a name.

A Jupyter server that opens a websocket first "nudges" the kernel: it sends kernel_info requests through such transient
sockets and waits for one iopub message on the websocket's own subscriber, which it swallows. A returning client's
subscriber must therefore be given the answer to a nudge, and nothing else, before its session speaks.
"""

from __future__ import annotations

from collections import OrderedDict

from jupyter_gpu_bridge.machine.facade.execution import header_index, text_of
from jupyter_gpu_bridge.machine.facade.processes import Process

_MOST = 512


class Nudges:
    def __init__(self) -> None:
        self._requests: OrderedDict[str, Process] = OrderedDict()

    def remember(self, process: Process, frames: list[bytes]) -> None:
        at = header_index(frames)
        if at is None or not (message := text_of(frames[at], "msg_id")):
            return
        self._requests[message] = process
        while len(self._requests) > _MOST:
            self._requests.popitem(last=False)

    def process_of(self, message: str) -> Process | None:
        return self._requests.get(message)
