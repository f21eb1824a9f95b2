"""Outputs that come late, and all at once, are no flood: they count when the kernel said them.

A Jupyter server drops outputs that come faster than its limits. After an hour without network a cell that printed ten
lines a second is given 36,000 of them within seconds, and most would be lost. So what was said a while ago is measured
by when it was said: within the limits then, it passes; a flood is one whenever it comes, and is left to the server.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any

LATE_AFTER = 0.5
"""Seconds; the server's own window is longer, so what comes sooner does it no harm."""


class Lateness:
    """Of one websocket; the limits are those of the server's connection, as they are at each moment."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._window: deque[tuple[float, int]] = deque()
        self._bytes = 0

    def pardons(self, born: int, message: list[bytes]) -> bool:
        """Whether a message that was said then (in milliseconds) may pass whatever the server has counted."""
        said, topic = born / 1000, message[0]
        # By a status the server notices the end of a cell, and begins to count anew.
        if not born or time.time() - said < LATE_AFTER or b"status" in topic:
            return False
        connection = self._connection
        while self._window and self._window[0][0] < said - connection.rate_limit_window:
            self._bytes -= self._window.popleft()[1]
        size = sum(map(len, message)) if b"stream" in topic else 0
        self._window.append((said, size))
        self._bytes += size
        return _within(len(self._window), connection.iopub_msg_rate_limit, connection.rate_limit_window) and _within(
            self._bytes, connection.iopub_data_rate_limit, connection.rate_limit_window
        )


def _within(amount: int, limit: float, window: float) -> bool:
    return limit <= 0 or amount / window <= limit
