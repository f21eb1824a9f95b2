"""Which cell a kernel runs: so that, when the kernel dies, its user can be told where they look.

A kernel says that it is busy, and with what. One that dies at once may not have got round to saying it; then it was at
the first request that it was given and has not ended.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Sequence

from jupyter_gpu_bridge.agent import messages
from jupyter_gpu_bridge.agent.frames import Buffer

_MOST = 1000
_EXECUTE = b'"execute_request"'


class Running:
    def __init__(self) -> None:
        self._now = b""
        self._asked: deque[tuple[Any, bytes]] = deque(maxlen=_MOST)
        """Ids and headers of the executions that it was given, in order."""

    @property
    def header(self) -> bytes:
        """Of the request whose cell runs; empty when none does."""
        if self._now:
            return self._now
        return self._asked[0][1] if self._asked else b""

    def asked(self, frames: Sequence[Buffer]) -> None:
        """A request was handed to the kernel."""
        found = messages.split(frames)
        if found is None:
            return
        header = bytes(found[1][1]) if len(found[1][1]) <= messages.LOOKED_AT else b""
        if _EXECUTE in header:
            self._asked.append((messages.load(header).get("msg_id"), header))

    def began(self, parent: bytes) -> None:
        """The kernel is busy with that."""
        if _EXECUTE in parent:
            self._now = parent

    def ended(self, parent: bytes) -> None:
        """The kernel has done that, and what it was asked before."""
        if parent == self._now:
            self._now = b""
        if _EXECUTE not in parent:
            return
        message = messages.load(parent).get("msg_id")
        if any(message == each for each, _ in self._asked):
            while self._asked.popleft()[0] != message:
                pass

    def forget(self) -> None:
        """The process is over."""
        self._now = b""
        self._asked.clear()
