"""A simulated cloud for stories: our real adapters ask it over real connections, and its time is that of the story.

What the lease daemons of its machines would do is done to its books, at the very second. How they do it themselves is
shown where machines are real: in the tests of each cloud's life.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from jupyter_gpu_bridge.model import Account, Created, CreatePlan, Money, Need, Offer, Ref, Seen, Traits
from jupyter_gpu_bridge.providers.clouds import Clouds
from jupyter_gpu_bridge.sandbox.faults import Fault
from jupyter_gpu_bridge.sandbox.records import Record, Status
from tests.clouds.in_process import CloudInProcess
from tests.rentals.renting.in_memory import NEVER, START, Machine, Timeline, written

T = TypeVar("T")

_TRIED = 4
_OUTCOMES = {
    "lost": "answer-lost",
    "error-after": "error-after",
    "garbage": "garbage",
    "error": "error-before",
    "full": "no-capacity",
    "stuck": "never-boots",
}
"""Of a create: as the cloud calls it."""
PATIENCE = {
    "PROVIDER_MAX_RETRIES": "1",
    "PROVIDER_RETRY_BASE_DELAY": "0",
    "PROVIDER_RETRY_JITTER": "0",
    "PROVIDER_RATE_LIMITER_ENABLED": "false",
    "PROVIDER_CIRCUIT_BREAKER_THRESHOLD": "1000",
}
"""Limiter and breaker count real seconds, of which there are none here."""


class WiredCloud:
    """To a story it is as a `MemoryCloud`; has to be opened before it is used."""

    def __init__(self, name: str, timeline: Timeline) -> None:
        self.name = name
        self.timeline = timeline
        self.outcomes: list[str] = []
        self.quote = Money()
        self.says_time = False
        """What a cloud of this computer says of the time proves nothing."""
        """What somebody was shown before, with whom some of the next offers are found good as well."""
        self._simulated = CloudInProcess(name, START.timestamp())
        self._cloud = self._simulated.cloud
        self._machines: dict[str, Machine] = {}
        self._leases: dict[str, tuple[timedelta, timedelta]] = {}
        """First lease and hard limit, by the name of the machine."""
        self._billed: dict[str, Decimal] = {}
        self._faults: dict[str, Fault] = {}
        self._factor = 1
        self._seen_by: list[_SeenByOne] = []
        timeline.is_busy = lambda: self._simulated.is_busy

    async def open(self) -> Mapping[str, str]:
        """The environment that leads our adapter here."""
        return {**PATIENCE, **await self._simulated.open()}

    async def close(self) -> None:
        for each in self._seen_by:
            await each.close()
        await self._simulated.close()

    async def working(self, work: Awaitable[T]) -> T:
        """Takes no time of the story's, and the story waits for it."""
        return await self._simulated.working(work)

    # what a story does ---------------------------------------------------------------------------------------------

    def seen_by_one(self) -> _SeenByOne:
        """What one process knows of it: by an adapter of its own, with connections of its own."""
        self._seen_by.append(_SeenByOne(self))
        return self._seen_by[-1]

    async def rented_by_others(self, names: Sequence[str]) -> Sequence[Machine]:
        cloud = self.seen_by_one().get(self.name).adapter
        for name in names:
            offers = sorted(await cloud.offers(Need()), key=lambda each: each.price)
            self.quote = offers[min(_TRIED, len(offers)) - 1].price
            await cloud.create(CreatePlan(offers[-1], name, "ssh-ed25519 AAAA", "true", timedelta(days=300)))
        return self.machines

    @property
    def is_down(self) -> bool:
        return "api-down" in self._faults

    @is_down.setter
    def is_down(self, is_down: bool) -> None:
        self._switch("api-down", is_down)

    @property
    def lag(self) -> timedelta:
        return timedelta(seconds=self._faults["listing-lag"].value) if "listing-lag" in self._faults else timedelta(0)

    @lag.setter
    def lag(self, lag: timedelta) -> None:
        self._switch("listing-lag", bool(lag), value=lag.total_seconds())

    @property
    def factor(self) -> int:
        return self._factor

    @factor.setter
    def factor(self, factor: int) -> None:
        for machine in self.living():
            self._cloud.raise_price(machine.ref, factor / self._factor)
        self._factor = factor
        self._switch("double-billing", factor > 1, value=float(factor))

    def bring_back(self, machine: Machine) -> None:
        """Once, and for ever: what ended it before does not end it again."""
        self._cloud.resurrect(machine.ref)
        machine.has_come_back = True

    def fault(self, kind: str, **how: Any) -> Fault:
        return self._cloud.faults.add({"kind": kind, **how}, self._cloud.clock.now())

    def mend(self) -> None:
        """No answer is lost any more."""
        for each in self._cloud.faults.plain():
            if each["calls"] is not None:
                self._cloud.faults.remove(str(each["fault_id"]))

    def _switch(self, kind: str, is_on: bool, **how: Any) -> None:
        if kind in self._faults:
            self._cloud.faults.remove(self._faults.pop(kind).fault_id)
        if is_on:
            self._faults[kind] = self.fault(kind, **how)

    # what there is -------------------------------------------------------------------------------------------------

    @property
    def machines(self) -> list[Machine]:
        """By the cloud's own books."""
        for record in self._cloud.all():
            machine = self._machines.setdefault(record.machine_id, self._met(record))
            machine.ended = None if record.is_there or record.ended is None else self._elapsed(record.ended)
            machine.limit = NEVER if record.limit_at is None else self._elapsed(record.limit_at)
        return list(self._machines.values())

    def living(self) -> Sequence[Machine]:
        return [each for each in self.machines if each.ended is None]

    @property
    def traits(self) -> Traits:
        found: Traits = self._seen_by[0].get(self.name).traits
        return found

    @property
    def ends_itself(self) -> bool:
        return bool(self.traits.removal)

    def billed(self, machine: Machine, passed: timedelta) -> Money:
        """Since it was asked last."""
        record = self._record(machine)
        before, now = self._billed.get(machine.ref, Decimal(0)), record.billed(self._cloud.clock.now())
        self._billed[machine.ref] = now
        return Money.parse(now - before)

    def go_on(self) -> None:
        self._cloud.clock.advance((START + self.timeline.elapsed).timestamp() - self._cloud.clock.now())
        for machine in self.living():
            self._run_out(machine)
        for record in self._cloud.all():
            self._cloud._look(record)

    def _run_out(self, machine: Machine) -> None:
        """Its lease, and nobody has renewed it."""
        ends, record = min(machine.lease_end, machine.hard_end + machine.put_off), self._record(machine)
        if machine.has_come_back or ends > self.timeline.elapsed or record.status is Status.DELETING:
            return
        when = (START + ends).timestamp()
        if record.limit_at is None or when < record.limit_at:
            record.status, record.delete_at, record.end_reason = Status.DELETING, when, "asked by the machine"
            self._cloud._save(record)

    def _met(self, record: Record) -> Machine:
        born = self._elapsed(record.created)
        machine = Machine(Ref(record.machine_id), record.name, born)
        if record.name in self._leases and self.ends_itself:
            lease, hard_limit = self._leases[record.name]
            machine.lease_end, machine.hard_end = born + lease, born + hard_limit
        return machine

    def _record(self, machine: Machine) -> Record:
        return next(each for each in self._cloud.all() if each.machine_id == machine.ref)

    def _elapsed(self, seconds: float) -> timedelta:
        return timedelta(seconds=round(seconds - START.timestamp(), 3))

    # what is asked of it over the wire -----------------------------------------------------------------------------

    async def created(self, adapter: Any, plan: CreatePlan) -> Created:
        """A second there, and a second back."""
        assert plan.name not in self._leases, "one request was sent twice"
        self._leases[plan.name] = written(plan, "first_lease"), written(plan, "hard_limit")
        await self.timeline.sleep(timedelta(seconds=1))
        outcome = _OUTCOMES.get(self.outcomes.pop(0) if self.outcomes else "made")
        fault = None if outcome is None else self.fault(outcome, verb="create", calls=1)
        try:
            created: Created = await self.working(adapter.create(plan))
        finally:
            if fault is not None:
                self._cloud.faults.remove(fault.fault_id)
            await self.timeline.sleep(timedelta(seconds=1))
        return created


class _SeenByOne(Clouds):
    def __init__(self, wired: WiredCloud) -> None:
        super().__init__()
        self._wired = wired

    def get(self, name: str) -> Any:
        return _Waited(super().get(name), self._wired)


class _Waited:
    """An adapter, for whose calls the story waits."""

    def __init__(self, adapter: Any, wired: WiredCloud) -> None:
        self.adapter = adapter
        self.name: str = adapter.name
        self.traits: Traits = adapter.traits
        self._wired = wired

    async def check(self) -> Account:
        return await self._wired.working(self.adapter.check())

    async def offers(self, need: Need) -> Sequence[Offer]:
        return await self._wired.working(self.adapter.offers(need))

    async def create(self, plan: CreatePlan) -> Created:
        return await self._wired.created(self.adapter, plan)

    async def get(self, ref: Ref) -> Seen | None:
        return await self._wired.working(self.adapter.get(ref))

    async def list(self) -> Sequence[Seen]:
        return await self._wired.working(self.adapter.list())

    async def destroy(self, ref: Ref) -> None:
        await self._wired.working(self.adapter.destroy(ref))

    async def bill(self, ref: Ref, since: datetime) -> Money:
        return await self._wired.working(self.adapter.bill(ref, since))

    async def last_lines(self, ref: Ref) -> str:
        said: str = await self._wired.working(self.adapter.last_lines(ref))
        return said

    async def put_off(self, ref: Ref, limit: timedelta) -> None:
        await self._wired.working(self.adapter.put_off(ref, limit))

    async def close(self) -> None:
        await self.adapter.close()
