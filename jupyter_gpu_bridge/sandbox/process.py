"""A cloud as a process, whatever its wire is.

It prints one line when it can be asked. Only one runs for a folder. It may be killed at any instant and started again:
its machines run on meanwhile. With no machines it ends when nobody has asked for a while.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from jupyter_gpu_bridge.files import replace_file, try_lock
from jupyter_gpu_bridge.sandbox.cloud import Cloud
from jupyter_gpu_bridge.sandbox.control import new_key
from jupyter_gpu_bridge.sandbox.front import Front
from jupyter_gpu_bridge.sandbox.http import Server
from jupyter_gpu_bridge.sandbox.market import STOCK, Item
from jupyter_gpu_bridge.settings import private_folder

_LOCK_WITHIN = 2.0
"""Whoever only looks whether a cloud runs holds the lock for an instant."""


def run(front: Callable[[Cloud, str, Callable[[], None]], Front], items: Sequence[Item]) -> int:
    """`front`: given the cloud, the key of its control, and what ends the process. The exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--boot-seconds", type=float, default=2.0, help="until a machine boots, in virtual time")
    parser.add_argument(
        "--idle-seconds", type=float, default=900.0, help="without machines and requests, until it ends"
    )
    parser.add_argument("--stock", type=int, default=STOCK, help="machines that there can be at once")
    asked = parser.parse_args()
    folder = private_folder(asked.folder.absolute())
    if not _locked(folder):
        print("another one runs", flush=True)
        return 3
    cloud = Cloud(folder, asked.boot_seconds, asked.stock, items)
    asyncio.run(_Process(folder, cloud, front, asked.idle_seconds).run())
    return 0


def _locked(folder: Path) -> bool:
    """The lock is held until this process ends; its descriptor is not passed on to machines."""
    give_up = time.monotonic() + _LOCK_WITHIN
    while try_lock(folder / "api.lock") is None:
        if time.monotonic() > give_up:
            return False
        time.sleep(0.01)
    return True


class _Process:
    def __init__(
        self,
        folder: Path,
        cloud: Cloud,
        front: Callable[[Cloud, str, Callable[[], None]], Front],
        idle_seconds: float,
    ) -> None:
        self._folder = folder
        self._idle_seconds = idle_seconds
        self._cloud = cloud
        self._front = front
        self._asked = asyncio.Event()
        self._end = asyncio.Event()

    async def run(self) -> None:
        cloud = self._cloud
        account_key, control_key = self._keys()
        front = self._front(cloud, control_key, self._end.set)
        front.on_request = self._asked.set
        server = Server(front.handle, cloud.clock.now)
        port = await server.listen(int(cloud.store.fact("port") or 0))
        cloud.store.note("port", port)
        cloud.address = f"http://127.0.0.1:{port}"
        cloud.note()
        said = {"address": cloud.address, "account_key": account_key, "control_key": control_key, "pid": os.getpid()}
        replace_file(self._folder / "api.json", json.dumps(said).encode())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end.set)
        works = [asyncio.create_task(cloud.run()), asyncio.create_task(self._idle())]
        print("ready", flush=True)
        ending = asyncio.create_task(self._end.wait())
        await asyncio.wait([ending, *works], return_when=asyncio.FIRST_COMPLETED)
        for work in works:
            if work.done():
                work.result()
            work.cancel()
        await server.close()
        cloud.note()
        cloud.store.close()

    def _keys(self) -> tuple[str, str]:
        store = self._cloud.store
        if not store.accounts():
            store.add_account(f"acct-{secrets.token_hex(4)}", "Your pretend account", new_key())
        if store.fact("control_key") is None:
            store.note("control_key", f"ck-{secrets.token_urlsafe(24)}")
        return store.accounts()[0][2], str(store.fact("control_key"))

    async def _idle(self) -> None:
        """Returns never; ends the process when there is nothing to do."""
        while True:
            self._asked.clear()
            try:
                await asyncio.wait_for(self._asked.wait(), self._idle_seconds)
            except asyncio.TimeoutError:
                if not any(record.is_there for record in self._cloud.all()):
                    self._end.set()
