"""What the kernel is doing, read from the status messages that pass by."""

from __future__ import annotations

import json
import time

from jupyter_gpu_bridge.machine.facade.durable import Durable
from jupyter_gpu_bridge.machine.facade.zmtp import Frames

DELIMITER = b"<IDS|MSG>"
_LONGEST_STATUS = 16 << 10


def header_index(frames: Frames) -> int | None:
    """Where the header is: after the delimiter and the signature. Identities may come before the delimiter."""
    for index in range(min(len(frames) - 3, 8)):
        if frames[index] == DELIMITER:
            return index + 2
    return None


def parsed(frame: bytes | memoryview) -> dict[str, object]:
    """A JSON frame as a mapping; empty when it is anything else: what a kernel says is not ours to judge."""
    try:
        found = json.loads(bytes(frame))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def text_of(frame: bytes | memoryview, key: str) -> str:
    found = parsed(frame).get(key)
    return found if isinstance(found, str) else ""


class Execution:
    def __init__(self, durable: Durable) -> None:
        self._durable = durable
        self._busy_with: set[str] = set()
        self.last_activity = time.monotonic()

    @property
    def busy(self) -> bool | None:
        """None: not known yet."""
        return self._durable.busy

    @property
    def parent(self) -> str:
        """The id of the execute_request that is running; empty when none is."""
        return self._durable.execution.decode(errors="replace")

    def forget(self) -> None:
        self._busy_with.clear()
        self._durable.busy = None
        self._durable.execution = b""

    def touched(self) -> None:
        self.last_activity = time.monotonic()

    def observe(self, frames: Frames) -> None:
        """Look at one iopub message; all but status messages are let by after one search in the header."""
        self.touched()
        at = header_index(frames)
        if at is None or at + 3 >= len(frames) or b'"status"' not in bytes(frames[at]):
            return
        if len(frames[at + 1]) + len(frames[at + 3]) > _LONGEST_STATUS or text_of(frames[at], "msg_type") != "status":
            return
        parent = parsed(frames[at + 1])
        state = text_of(frames[at + 3], "execution_state")
        request = parent.get("msg_id")
        self._status(state, request if isinstance(request, str) else "", parent.get("msg_type") == "execute_request")

    def _status(self, state: str, request: str, is_execution: bool) -> None:
        if state == "busy":
            self._busy_with.add(request)
            self._durable.busy = True
            if is_execution:
                self._durable.execution = request.encode()
        elif state in ("idle", "starting"):
            self._busy_with.discard(request)
            if request.encode() == self._durable.execution:
                self._durable.execution = b""
            # After a restart of this process the set is empty, but the file still knows of the running execution.
            self._durable.busy = bool(self._busy_with) or bool(self._durable.execution)
