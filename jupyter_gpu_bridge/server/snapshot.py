"""What the sidebar shows, with a revision that grows when something in it changed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timezone

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.bridge import Bridge
from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.model import MachineView

Places = Callable[[], Awaitable[Mapping[str, str]]]
"""What the kernels of this server belong to now, by their ids: a notebook's path, a console's name."""

_EVERY_S = 2.0

_WATCHED_FOR_S = 60.0

_RESTLESS = {"round_trip_ms", "last_activity", "cost", "earlier_cost", "cost_as_of"}
"""These change all the time and are no reason to fetch anything."""


class Snapshot:
    """Looks by itself only while somebody has asked within the last minute; `changed` is told the new revision."""

    def __init__(self, bridge: Bridge, changed: Callable[[int], None], places: Places) -> None:
        self._bridge = bridge
        self._changed = changed
        self._places = places
        # The clock makes it grow over a restart of the server as well, for pages that stay open.
        self._revision = int(time.time())
        self._announced = self._revision
        self._mark = ""
        self._asked = 0.0
        self._watch: asyncio.Task[None] | None = None

    async def answer(self) -> plain.Plain:
        """The machines and rentals now, for somebody who will want to know of changes."""
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
        views = await self._bridge.machines()
        places = await self._places()
        machines = [plain.machine(_placed(view, places), profiles) for view in views]
        rentals = [standing.plain() for standing in await self._bridge.rentals_lately()]
        mark = json.dumps(_settled([machines, rentals]))
        if mark != self._mark:
            self._mark = mark
            self._revision += 1
        # Costs and deadlines tick in the page, whose clock may be wrong.
        now = datetime.now(timezone.utc).isoformat()
        return {"revision": self._revision, "now": now, "machines": machines, "rentals": rentals}


def _placed(view: MachineView, places: Mapping[str, str]) -> MachineView:
    """A machine remembers where a kernel was started; its notebook may have been given another name since."""
    kernels = (replace(kernel, path=places.get(kernel.kernel_id, kernel.path)) for kernel in view.kernels)
    return replace(view, kernels=tuple(kernels))


def _settled(value: object) -> object:
    if isinstance(value, dict):
        return {key: _settled(item) for key, item in value.items() if key not in _RESTLESS}
    return [_settled(item) for item in value] if isinstance(value, list) else value
