"""A simulated cloud in this process: its wire is real, its machines are only said to run, and its clock stands still.

For tests in which a hundred machines live for days. Nobody enters such a machine, and no start script runs on it.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Mapping
from typing import TypeVar

from jupyter_gpu_bridge.files import replace_file, try_lock
from jupyter_gpu_bridge.sandbox.api import Api
from jupyter_gpu_bridge.sandbox.clock import Clock, Reading
from jupyter_gpu_bridge.sandbox.cloud import Cloud
from jupyter_gpu_bridge.sandbox.fleet import Fleet
from jupyter_gpu_bridge.sandbox.http import Answer, Request, Server
from jupyter_gpu_bridge.sandbox.machine.place import News, Setup
from jupyter_gpu_bridge.sandbox.market import ITEMS
from jupyter_gpu_bridge.settings import data_folder, private_folder
from tests.clouds.runpod import RunPod
from tests.clouds.simulators import Simulator, simulator
from tests.clouds.vast import Vast

T = TypeVar("T")

BOOT_SECONDS = 20.0
_KEY = "key-of-an-account"
_PORT = 22
_ENDS_WITHIN = 0.1


class CloudInProcess:
    """`name`: of its provider, also `sandbox`. `now`: of its clock, in seconds since 1970."""

    def __init__(self, name: str, now: float) -> None:
        chosen = Simulator(Api, ITEMS) if name == "sandbox" else simulator(name)
        self._name = name
        self._folder = private_folder(data_folder() / name)
        self.cloud = Cloud(self._folder, BOOT_SECONDS, items=chosen.items)
        self.cloud._fleet = _Pretended(self._folder)
        self.cloud.clock = Clock(Reading(now, time.time(), 0.0))
        self.cloud.market.is_steady = True
        self.cloud.store.add_account("acct-1", "The only account", _KEY)
        self._front = chosen.front(self.cloud, "", lambda: None)
        if isinstance(self._front, RunPod):
            self._front.state.balance = "1000000"
            self._front.state.logs_end = True  # nobody waits for more of it
        self._server = Server(self._handled)
        self._lock = try_lock(self._folder / "api.lock")
        self._busy = 0

    async def open(self) -> Mapping[str, str]:
        """The environment that leads an adapter here."""
        port = await self._server.listen(0)
        self.cloud.address = address = f"http://127.0.0.1:{port}"
        said = {"address": address, "account_key": _KEY, "control_key": "", "pid": os.getpid()}
        replace_file(self._folder / "api.json", json.dumps(said).encode())
        return {f"{self._name.upper()}_API_KEY": _KEY, f"{self._name.upper()}_BASE_URL": address}

    async def close(self) -> None:
        """When nobody asks any more; requests of the dead may be left."""
        await self._server.close()
        if isinstance(self._front, Vast):
            self._front.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if left:  # connections end by themselves
            _, left = await asyncio.wait(left, timeout=_ENDS_WITHIN)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        self.cloud.store.close()
        assert self._lock is not None
        os.close(self._lock)

    @property
    def is_busy(self) -> bool:
        """Somebody is asked, or asks by `working`: that takes real time, and none of this cloud's."""
        return self._busy > 0

    async def working(self, work: Awaitable[T]) -> T:
        self._busy += 1
        try:
            return await work
        finally:
            self._busy -= 1

    async def _handled(self, request: Request) -> Answer:
        return await self.working(self._front.handle(request))


class _Pretended(Fleet):
    """Machines without processes."""

    def start(self, setup: Setup) -> None:
        self._started.add(setup.machine_id)

    def heard(self, machine_id: str) -> News:
        return News(os.getpid(), _PORT, "ready")

    def lives(self, machine_id: str, mark: str, pid: int) -> bool:
        return machine_id in self._started

    def end(self, machine_id: str, mark: str, pid: int, *, keep_disk: bool = False) -> None:
        self._started.discard(machine_id)
        if not keep_disk:
            self.place(machine_id).remove()
