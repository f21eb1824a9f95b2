"""Renting for real, in a home of its own: the sandbox as the cloud, wardens as processes, and a clock that is quick."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from jupyter_gpu_bridge.bridge import Bridge, Standing
from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.model import MachineRef, Need, Order, WishId
from jupyter_gpu_bridge.rentals import orders as orders_module
from jupyter_gpu_bridge.rentals.reach import machine_of_wish
from jupyter_gpu_bridge.sandbox.market import STOCK
from tests.clouds.cloud import SimulatedCloud
from tests.kernels.home import Home, entered
from tests.sandbox.cloud import SandboxCloud

RATE = 60
"""How much faster than real time it goes here: a minute in a second."""
DEADLINE = 60.0
REPOSITORY = Path(__file__).parents[3]
PRETEND = Order(need=Need(providers=("sandbox",)), idle=timedelta(hours=6))


class HomeCloud(SandboxCloud):
    """The one that our adapter finds, and starts when it is not there."""

    def __init__(self, home: Path, rate: float, stock: int = STOCK) -> None:
        super().__init__(rate=rate, stock=stock)
        self._place = home / "sandbox"

    @property
    def cloud(self) -> Path:
        return self._place


class Renting:
    """What a test does, and what it sees."""

    def __init__(self, home: Home, cloud: SandboxCloud, order: Order = PRETEND) -> None:
        """`order`: what is wanted, where a test does not say it."""
        self.home = home
        self.cloud = cloud
        self.order = order
        self.bridge = Bridge()
        self.stages: list[str] = []

    def report(self, stage: str, text: str) -> None:
        self.stages.append(stage)

    async def want(self, order: Order | None = None, key: str = "name:test") -> Standing:
        return await self.bridge.want(key, order or self.order, "a test")

    async def rent(self, order: Order | None = None, key: str = "name:test") -> Standing:
        """A machine that can be used."""
        return await self.bridge.arrive(await self.want(order, key), self.report)

    async def until_over(self, wish_id: WishId) -> Standing:
        return await asyncio.wait_for(self.bridge.rental_gone(wish_id), DEADLINE)

    async def ask_until_there(self, point: str, key: str = "name:test", order: Order | None = None) -> WishId:
        """A warden dies there, and each that follows it and comes there too; the wish, which is wanted all the time."""
        with dying_at(point):
            standing = await self.want(order, key)
            with contextlib.suppress(BridgeError):
                await self.bridge.arrive(standing, self.report)
            await until(lambda: not self.wardens() or self.starts(standing.wish.wish_id) > 1)
            self.kill_wardens()
        return standing.wish.wish_id

    def billed(self) -> Sequence[dict[str, Any]]:
        """The truth, whatever the listing says."""
        return [each for each in self.cloud.machines() if each["ended"] is None]

    def created(self) -> int:
        """How many machines there ever were."""
        return len(self.cloud.machines())

    def wardens(self) -> Sequence[psutil.Process]:
        return self.home.processes("rentals.warden")

    def starts(self, wish_id: WishId) -> int:
        """How many wardens of this wish there were until now."""
        return (self.folder(machine_of_wish(wish_id)) / "link.log").read_text().count("the link starts")

    def kill_wardens(self) -> None:
        found = self.wardens()
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(found, timeout=10)

    async def end_everything(self) -> None:
        """After a story that went wrong, so that the next one begins with nothing."""
        self.cloud.mend()
        standings = await self.bridge.rentals()
        for standing in standings:
            await self.bridge.end_rental(standing.wish.wish_id, "A story went wrong.")
        for standing in standings:
            await self.until_over(standing.wish.wish_id)

    async def lose_the_ledger(self, key: str = "name:test") -> Standing:
        """With a machine that runs, and whose warden is dead; how it stood until then."""
        standing = await self.rent(key=key)
        self.kill_wardens()
        orders_module.forget()
        for path in self.home.bridge.glob("ledger.db*"):
            path.unlink()
        return standing

    def forgive_hosts(self) -> None:
        """Those that have failed are avoided for hours, and a story that is told after others needs some."""
        with contextlib.closing(sqlite3.connect(self.home.bridge / "ledger.db")) as ledger, ledger:
            ledger.execute("DELETE FROM ledger_hosts")

    def limit(self, standing: Standing) -> float:
        """After so many seconds its provider ends it."""
        assert standing.rental is not None
        (limit,) = [
            each["limit_seconds"] for each in self.cloud.machines() if each["machine_id"] == standing.rental.ref
        ]
        return float(limit)

    @contextmanager
    def another_installation(self) -> Iterator[None]:
        """What was rented until now was rented on another computer, with the same ledger."""
        ours = self.home.bridge / "installation"
        before = ours.read_text()
        ours.write_text("afarafar\n")
        try:
            yield
        finally:
            ours.write_text(before)

    def folder(self, machine: MachineRef) -> Path:
        return self.home.bridge / "links" / str(machine).replace(":", "-")


@contextmanager
def renting(rate: int = RATE, suffix: str = "", stock: int = STOCK, simulated: str = "") -> Iterator[Renting]:
    """`simulated`: another cloud than the sandbox, by the name of its provider."""
    with entered(suffix) as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_GPU_BRIDGE_CLOCK", f"{rate}@{int(time.time())}")
        orders_module.forget()  # of a test that had another home
        chosen = SimulatedCloud(simulated, rate=rate, stock=stock) if simulated else HomeCloud(home.bridge, rate, stock)
        with chosen as cloud:
            for name, value in cloud.environment().items():
                patch.setenv(name, value)
            patch.setenv("PROVIDER_RATE_LIMITER_ENABLED", "false")  # the paces of clouds are real seconds
            need = Need(providers=(simulated,)) if simulated else PRETEND.need
            try:
                yield Renting(home, cloud, replace(PRETEND, need=need))
            finally:
                orders_module.forget()


async def time_passes(*, minutes: int) -> None:
    """For the cloud and for wardens."""
    await asyncio.sleep(minutes * 60 / RATE)


async def until(condition: Callable[[], object], within: float = DEADLINE) -> None:
    give_up = time.monotonic() + within
    while not condition():
        assert time.monotonic() < give_up, "it did not become true in time"
        await asyncio.sleep(0.05)


@contextmanager
def dying_at(point: str) -> Iterator[None]:
    """Whatever process is started now ends there as in a power cut."""
    os.environ["JUPYTER_GPU_BRIDGE_DIE_AT"] = point
    try:
        yield
    finally:
        del os.environ["JUPYTER_GPU_BRIDGE_DIE_AT"]
