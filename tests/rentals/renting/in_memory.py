"""A cloud and a clock in memory, for tests that run a thousand lives of a rental in the time of one.

Nothing here waits for real: time goes on when everybody sleeps. A process is killed by having each of its next steps
fail, whatever it does to tidy up: what is killed tidies up nothing.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from jupyter_gpu_bridge import settings
from jupyter_gpu_bridge.errors import NoCapacity, Unclear
from jupyter_gpu_bridge.model import (
    Account,
    Created,
    CreatePlan,
    MachineState,
    Money,
    Need,
    Offer,
    Ref,
    Rental,
    Seen,
    SeenState,
    Traits,
)
from jupyter_gpu_bridge.rentals.book import Book
from jupyter_gpu_bridge.rentals.clock import AnchoredClock, Sources

START = datetime(2026, 11, 20, 12, 0, tzinfo=timezone.utc)
PRICE = Money.parse("1.20")
NEVER = timedelta(days=10_000)


_TRAITS = Traits(
    title="Memory",
    limits_at_create=True,
    puts_off=True,
    boot_limit=timedelta(minutes=5),
    login_limit=timedelta(minutes=2),
    listing_lag=timedelta(seconds=60),
)


class Killed(BaseException):
    """The process is no more."""


class Timeline:
    """One clock for all; `jump` is what somebody does to the wall clock of this computer."""

    def __init__(self) -> None:
        self.elapsed = timedelta(0)
        self.jump = timedelta(0)
        self.starts = 1
        """How often this computer was started."""
        self.heard: tuple[datetime, timedelta] | None = None
        """What a cloud said last of the time, and when, since this start."""
        self._sleepers: list[tuple[timedelta, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self.watch: Callable[[timedelta, timedelta], None] = lambda since, until: None
        """Told of each piece of time that has passed, in which nobody did anything."""
        self.is_busy: Callable[[], bool] = lambda: False
        """Whether somebody does something that takes real time, which no time of this clock passes in."""

    @property
    def true_now(self) -> datetime:
        return START + self.elapsed

    async def sleep(self, time: timedelta) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(
            self._sleepers, (self.elapsed + max(time, timedelta(milliseconds=1)), next(self._numbers), waiter)
        )
        await waiter

    async def settle(self) -> None:
        """Let everybody do what can be done without time."""
        ready: Any = asyncio.get_running_loop()._ready  # type: ignore[attr-defined] # nobody else knows
        await asyncio.sleep(0)
        while ready or self.is_busy():
            await asyncio.sleep(0)

    async def pass_(self, time: timedelta) -> None:
        end = self.elapsed + time
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, waiter = heapq.heappop(self._sleepers)
            self._go_on(due)
            if not waiter.done():
                waiter.set_result(None)
                await self.settle()
        self._go_on(end)
        await self.settle()

    def _go_on(self, until: timedelta) -> None:
        since, self.elapsed = self.elapsed, until
        if until > since:
            self.watch(since, until)


class Process(AnchoredClock):
    """Its clock, and the number of steps that it has left to live."""

    def __init__(self, timeline: Timeline) -> None:
        sources = Sources(
            wall=lambda: timeline.true_now + timeline.jump,
            counted=lambda: timeline.elapsed,
            start=lambda: str(timeline.starts),
            said=lambda: timeline.heard,
        )
        super().__init__(settings.data_folder() / "clock.json", sources)
        self._timeline = timeline
        self.steps: int | None = None

    def step(self) -> None:
        if self.steps is None:
            return
        if self.steps <= 0:
            raise Killed
        self.steps -= 1

    async def sleep(self, time: timedelta) -> None:
        self.step()
        await self._timeline.sleep(time)
        self.step()


class DirectBook(Book):
    """Written in this very thread, and not at all by the dead."""

    def __init__(self, ledger: Any, process: Process) -> None:
        super().__init__(ledger, process)
        self._process = process

    async def read(self, question: Callable[..., Any], *args: Any, **more: Any) -> Any:
        self._process.step()
        answer = question(self.ledger, *args, **more)
        self._process.step()
        return answer


@dataclass
class Machine:
    ref: Ref
    name: str
    born: timedelta
    limit: timedelta = NEVER
    """When its provider ends it."""
    hard_end: timedelta = NEVER
    lease_end: timedelta = NEVER
    """When it ends itself, if nobody puts that off."""
    put_off: timedelta = timedelta(0)
    ended: timedelta | None = None
    boots_for: timedelta = timedelta(seconds=20)
    has_come_back: bool = False

    @property
    def ends(self) -> timedelta:
        return min(self.limit, self.hard_end + self.put_off, self.lease_end)


@dataclass
class MemoryCloud:
    """`outcomes`: of the next creates: `made`, `lost`, `error`, `full`, `stuck` (never boots); then all are made."""

    timeline: Timeline
    name: str = "memory"
    outcomes: list[str] = field(default_factory=list)
    is_down: bool = False
    lag: timedelta = timedelta(0)
    machines: list[Machine] = field(default_factory=list)
    destroyed: list[str] = field(default_factory=list)
    traits: Traits = field(default_factory=lambda: _TRAITS)
    ends_itself: bool = True
    """Its machines do, when nobody renews their lease, or at their own limit."""
    quote: Money = PRICE
    """What somebody was shown before."""
    says_time: bool = False
    """With each answer."""
    factor: int = 1
    """By which its prices are higher than what was quoted."""

    def living(self) -> Sequence[Machine]:
        self._reap()
        return [each for each in self.machines if each.ended is None]

    def _reap(self) -> None:
        for each in self.machines:
            if each.ended is None and self.timeline.elapsed >= each.ends and not each.has_come_back:
                each.ended = each.ends

    async def check(self) -> Account:
        self._refuse_when_down()
        return Account("memory-account")

    async def offers(self, need: Need) -> Sequence[Offer]:
        self._refuse_when_down()
        return [
            Offer(self.name, f"offer-{number}", "A100", 1, 81920, PRICE, host=f"host-{number}") for number in range(4)
        ]

    async def create(self, plan: CreatePlan) -> Created:
        await self.timeline.sleep(timedelta(seconds=1))
        outcome = self.outcomes.pop(0) if self.outcomes else "made"
        if self.is_down or outcome == "error":
            raise Unclear("The cloud did not answer.")
        if outcome == "full":
            raise NoCapacity("no capacity")
        assert plan.name not in [each.name for each in self.machines], "one request was sent twice"
        ref = Ref(f"m-{len(self.machines)}")
        born = self.timeline.elapsed
        machine = Machine(ref, plan.name, born)
        if self.traits.limits_at_create:
            machine.limit = born + plan.limit
        if self.ends_itself:
            machine.hard_end = born + written(plan, "hard_limit")
            machine.lease_end = born + written(plan, "first_lease")
        if outcome == "stuck":
            machine.boots_for = NEVER
        self.machines.append(machine)
        await self.timeline.sleep(timedelta(seconds=1))
        if outcome == "lost":
            raise Unclear("The answer was lost.")
        return Created(ref)

    async def get(self, ref: Ref) -> Seen | None:
        self._refuse_when_down()
        return next((self._seen(each) for each in self._shown() if each.ref == ref), None)

    async def list(self) -> Sequence[Seen]:
        self._refuse_when_down()
        return [self._seen(each) for each in self._shown()]

    async def destroy(self, ref: Ref) -> None:
        self._refuse_when_down()
        for each in self.machines:
            if each.ref == ref and each.ended is None:
                each.ended = self.timeline.elapsed
                self.destroyed.append(each.name)

    async def put_off(self, ref: Ref, limit: timedelta) -> None:
        self._refuse_when_down()
        for each in self.machines:
            if each.ref == ref:
                each.limit = each.born + limit

    async def close(self) -> None:
        pass

    # what a story does and asks besides ----------------------------------------------------------------------------

    def seen_by_one(self) -> Any:
        """What one process knows of all clouds."""
        return MemoryClouds(self)

    async def rented_by_others(self, names: Sequence[str]) -> Sequence[Machine]:
        found = [Machine(Ref(f"stranger-{number}"), name, -timedelta(hours=1)) for number, name in enumerate(names)]
        self.machines += found
        return found

    def go_on(self) -> None:
        """To the time that it is now."""

    def billed(self, machine: Machine, passed: timedelta) -> Money:
        """For that time, which is over now."""
        return self.price.during(passed)

    def _refuse_when_down(self) -> None:
        if self.is_down:
            raise Unclear("The cloud does not answer.")
        if self.says_time:
            self.timeline.heard = self.timeline.true_now, self.timeline.elapsed

    def bring_back(self, machine: Machine) -> None:
        """Once, and for ever: what ended it before does not end it again."""
        machine.ended, machine.has_come_back = None, True

    def _shown(self) -> Sequence[Machine]:
        return [each for each in self.living() if self.timeline.elapsed - each.born >= self.lag]

    def _seen(self, each: Machine) -> Seen:
        runs = self.timeline.elapsed - each.born >= each.boots_for
        state = SeenState.RUNNING if runs else SeenState.BOOTING
        return Seen(
            each.ref, each.name, state, is_billed=True, price=self.price, address="127.0.0.1" if runs else "", port=22
        )

    @property
    def price(self) -> Money:
        return PRICE * self.factor


def written(plan: CreatePlan, name: str) -> timedelta:
    """A limit that its lease daemon has from the start."""
    found = re.search(rf"^{name}=(\d+)$", plan.start_script, re.MULTILINE)
    assert found is not None
    return timedelta(seconds=int(found.group(1)))


class MemoryClouds:
    def __init__(self, cloud: MemoryCloud) -> None:
        self._cloud = cloud

    def get(self, name: str) -> MemoryCloud:
        return self._cloud

    async def of(self, rental: Rental) -> MemoryCloud:
        return self._cloud

    async def account(self, name: str) -> Account:
        return await self._cloud.check()


class NoLink:
    """A link to machines that are always there when they run, and on which nobody works.

    Leases are renewed at each look of the warden, since their renewal counts time that does not pass here.
    """

    def __init__(self, timeline: Timeline, machine: Callable[[], Machine | None]) -> None:
        self._timeline = timeline
        self._machine = machine
        self._listeners: list[Callable[[], None]] = []
        self.done = asyncio.Event()
        self.connection = self
        self.mux = object()
        self.state = MachineState.CONNECTED
        self.checks = 0

    async def aim(self, target: object) -> None:
        pass

    async def up(self) -> None:
        pass

    def kernels(self) -> Sequence[Any]:
        for listener in self._listeners:
            listener()
        return ()

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def ask_agent(self, question: dict[str, Any]) -> Any:
        machine = self._machine()
        if question["do"] == "lease" and machine is not None and machine.lease_end is not NEVER:
            machine.lease_end = self._timeline.elapsed + timedelta(seconds=question["seconds"])
            machine.put_off = max(machine.put_off, timedelta(seconds=question["extra"]))
        return {"left": 1200.0, "daemon_alive": True, "serial": question.get("serial"), "phase": "living"}

    def machine_gone(self, cause: str) -> None:
        pass

    async def forget_gone(self) -> None:
        pass
