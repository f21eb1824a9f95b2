"""What the sidebar shows, with a revision that grows when something in it changed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.errors import BridgeError

_EVERY_S = 2.0

_WATCHED_FOR_S = 60.0

_RESTLESS = {"round_trip_ms", "last_activity"}
"""These change all the time and are no reason to fetch anything."""


class Snapshot:
    """Looks by itself only while somebody has asked within the last minute; `changed` is told the new revision."""

    def __init__(self, bridge: Bridge, changed: Callable[[int], None]) -> None:
        self._bridge = bridge
        self._changed = changed
        # The clock makes it grow over a restart of the server as well, for pages that stay open.
        self._revision = int(time.time())
        self._announced = self._revision
        self._mark = ""
        self._asked = 0.0
        self._watch: asyncio.Task[None] | None = None

    async def answer(self) -> plain.Plain:
        """The machines now, for somebody who will want to know of changes."""
        found = await self._look()
        self._asked = time.monotonic()
        if self._watch is None or self._watch.done():
            self._announced = self._revision
            self._watch = asyncio.create_task(self._keep_looking())
        return found

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])

    async def _keep_looking(self) -> None:
        while time.monotonic() - self._asked < _WATCHED_FOR_S:
            await asyncio.sleep(_EVERY_S)
            with contextlib.suppress(BridgeError):  # whoever asks next meets it too, and is answered with it
                await self._look()
            if self._revision != self._announced:
                self._announced = self._revision
                self._changed(self._revision)

    async def _look(self) -> plain.Plain:
        profiles = await asyncio.to_thread(self._bridge.profiles)
        machines = [plain.machine(view, profiles) for view in await self._bridge.machines()]
        mark = json.dumps(_settled(machines))
        if mark != self._mark:
            self._mark = mark
            self._revision += 1
        return {"revision": self._revision, "machines": machines}


def _settled(value: object) -> object:
    if isinstance(value, dict):
        return {key: _settled(item) for key, item in value.items() if key not in _RESTLESS}
    return [_settled(item) for item in value] if isinstance(value, list) else value
