"""What happens when nobody comes for the outputs until all room is used: a gap, and a sentence where it is.

Outputs are dropped then, newest first to come; what a front end waits for (status, errors, replies, input requests)
still gets through, and before the next thing that does stands a notice of how much is missing.
"""

from __future__ import annotations

from jupyter_gpu_bridge.agent import messages
from jupyter_gpu_bridge.agent.channel import pack_frames
from jupyter_gpu_bridge.agent.frames import Buffer
from jupyter_gpu_bridge.agent.outbox import Outbox

_DROPPABLE = ("stream", "display_data", "update_display_data", "execute_result", "comm_msg")


class Gaps:
    """Stands before the outbox of the outputs."""

    def __init__(self, outbox: Outbox, limit: int, key: bytes) -> None:
        self._outbox = outbox
        self._limit = limit
        self._key = key
        self._messages = 0
        self._bytes = 0
        self._parent: bytes = b"{}"
        self._why = ""

    def admit(self, frames: list[Buffer]) -> bool:
        """Whether this output is kept; puts the notice of a gap before it when there was one."""
        full = self._outbox.held > self._limit or self._outbox.is_full
        if not full and not self._messages:
            return True
        found = messages.split(frames)
        kind = messages.load(found[1][1]).get("msg_type") if found is not None else None
        if full and kind in _DROPPABLE:
            error: OSError | None = self._outbox.disk_error
            self._why = (
                "the end of the machine's disk" if error is not None else f"the limit of {self._limit >> 20} MiB"
            )
            self._drop(frames)
            return False
        self._tell()
        return True

    def refuse(self, frames: list[Buffer]) -> None:
        """One output that is too large to travel at all."""
        self._why = "the limit of 1 GiB for one message"
        self._drop(frames)
        self._tell()

    def _drop(self, frames: list[Buffer]) -> None:
        self._messages += 1
        self._bytes += sum(len(part) for part in frames)
        parts = messages.split(frames)
        if parts is not None:
            self._parent = bytes(parts[1][2])

    def _tell(self) -> None:
        if not self._messages:
            return
        text = (
            f"\n[gpu-bridge] {self._messages} messages ({self._bytes / 1e6:.1f} MB) of output are missing here: "
            f"nobody took them, and {self._why} was reached.\n"
        )
        notice = messages.compose(
            self._key, [b"stream"], "stream", self._parent, {"name": "stderr", "text": text}, "gpu-bridge"
        )
        self._outbox.put(pack_frames(notice))
        self._messages = self._bytes = 0
