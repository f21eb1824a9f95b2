"""Whatever is wished, killed, started again and broken, in whatever order: nothing unwanted stays billed."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from jupyter_gpu_bridge.model import Money, Need, Order, WishId
from jupyter_gpu_bridge.rentals import search
from jupyter_gpu_bridge.rentals.installation import installation_id, parse_machine_name
from jupyter_gpu_bridge.rentals.ledger import Ledger
from jupyter_gpu_bridge.rentals.reconcile import reconcile
from jupyter_gpu_bridge.rentals.warden import filling, others, warden
from tests.own_home import variables
from tests.rentals.renting.in_memory import (
    PRICE,
    DirectBook,
    Killed,
    MemoryCloud,
    MemoryClouds,
    NoLink,
    Process,
    Timeline,
)

DEADLINE = timedelta(hours=2)
GRACE = timedelta(minutes=10)
BUDGET = Money.parse("2.00")
ORDER = Order(need=Need(providers=("memory",)), budget=BUDGET, deadline=DEADLINE, idle=timedelta(minutes=30))
KEYS = ("name:a", "name:b")
_IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


class Story(RuleBasedStateMachine):
    """Two wishes at most, a warden for each, and somebody who breaks things."""

    def __init__(self) -> None:
        super().__init__()
        self._patch = pytest.MonkeyPatch()
        self._folder = tempfile.TemporaryDirectory(dir=_IN_MEMORY)
        for name, value in variables(Path(self._folder.name)).items():
            self._patch.setenv(name, value)
        self._patch.setattr(search, "cloud_names", lambda: ["memory"])
        self._patch.setattr(warden, "LAST_ANSWERS_FOR", 0)
        self._patch.setattr(others, "orders", lambda: SimpleNamespace(wake=self._wake))
        self._patch.setattr(asyncio, "to_thread", _here)
        self._patch.setattr(filling, "_known_hosts", lambda rental: Path("none"))
        self._loop = asyncio.new_event_loop()
        self._timeline = Timeline()
        self._cloud = MemoryCloud(self._timeline)
        self._ledger = Ledger.open()
        self._wardens: dict[WishId, tuple[Process, asyncio.Task[None]]] = {}

    def teardown(self) -> None:
        try:
            self._run(self._in_the_end())
        finally:
            self._run(self._bury_all())
            self._loop.close()
            self._ledger.close()
            self._patch.undo()
            self._folder.cleanup()

    # what happens --------------------------------------------------------------------------------------------------

    @initialize(outcomes=st.lists(st.sampled_from(["made", "lost", "error", "full"]), max_size=6))
    def the_cloud_has_its_moods(self, outcomes: list[str]) -> None:
        self._cloud.outcomes = outcomes

    @rule(key=st.sampled_from(KEYS))
    def somebody_wishes(self, key: str) -> None:
        wish, _ = self._ledger.wish(key, ORDER, "a test", self._now())
        self._run(self._wake(wish.wish_id))

    @rule(key=st.sampled_from(KEYS))
    def somebody_has_enough(self, key: str) -> None:
        for wish in self._ledger.wishes():
            if wish.key == key:
                self._ledger.close_wish(wish.wish_id, "Enough.", self._now())
        self._run(self._timeline.settle())

    @rule(steps=st.integers(0, 25))
    def every_warden_will_be_killed(self, steps: int) -> None:
        for process, _ in self._wardens.values():
            process.steps = steps

    @rule()
    def somebody_looks(self) -> None:
        self._run(self._look())

    @rule(seconds=st.sampled_from([1, 5, 30, 90, 600, 3600]))
    def time_passes(self, seconds: int) -> None:
        self._run(self._timeline.pass_(timedelta(seconds=seconds)))

    @rule(days=st.sampled_from([-2, 2]))
    @precondition(lambda self: not self._timeline.jump)
    def the_clock_of_the_computer_is_set(self, days: int) -> None:
        self._timeline.jump = timedelta(days=days)

    @rule()
    def the_cloud_goes_down(self) -> None:
        self._cloud.is_down = True

    @rule()
    def the_cloud_comes_back(self) -> None:
        self._cloud.is_down = False

    @rule(seconds=st.sampled_from([0, 30, 55]))
    def the_listing_lags(self, seconds: int) -> None:
        self._cloud.lag = timedelta(seconds=seconds)

    # what always holds ---------------------------------------------------------------------------------------------

    @invariant()
    def one_wish_has_one_machine(self) -> None:
        wishes: dict[str, str] = {}
        for machine in self._cloud.living():
            rental = self._ledger.by_name(machine.name)
            assert rental is not None, "a machine that was not written down"
            assert rental.state.is_live, f"{machine.name} is billed and called gone"
            assert wishes.setdefault(rental.wish_id, machine.name) == machine.name, "two machines for one wish"

    @invariant()
    def nothing_of_others_is_destroyed(self) -> None:
        for name in self._cloud.destroyed:
            parsed = parse_machine_name(name)
            assert parsed is not None
            assert parsed[0] == installation_id()

    @invariant()
    def no_machine_outlives_its_deadline(self) -> None:
        for machine in self._cloud.living():
            assert self._timeline.elapsed - machine.born <= DEADLINE

    async def _in_the_end(self) -> None:
        """Everybody is back and the cloud is well: soon nothing is billed that is not wanted."""
        self._cloud.is_down, self._cloud.lag = False, timedelta(0)
        await self._look()
        await self._timeline.pass_(GRACE)
        await self._look()
        await self._timeline.pass_(GRACE)
        wanted = {wish.wish_id for wish in self._ledger.wishes()}
        for machine in self._cloud.living():
            rental = self._ledger.by_name(machine.name)
            assert rental is not None
            assert rental.wish_id in wanted, f"{machine.name} is billed and not wanted"
        for rental in self._ledger.rentals(live_only=False):
            assert rental.accrued <= BUDGET + PRICE.during(timedelta(minutes=1)), "more than its budget"

    # how -----------------------------------------------------------------------------------------------------------

    def _run(self, work: Any) -> Any:
        return self._loop.run_until_complete(work)

    def _now(self) -> Any:
        return self._timeline.true_now + self._timeline.jump

    async def _look(self) -> None:
        """As the guard does."""
        process = Process(self._timeline)
        book = DirectBook(self._ledger, process)
        await reconcile(book, MemoryClouds(self._cloud), ["memory"])  # type: ignore[arg-type]
        live = {rental.wish_id for rental in self._ledger.rentals()}
        for wish_id in {*live, *(wish.wish_id for wish in self._ledger.wishes())}:
            await self._wake(wish_id)
        await self._timeline.settle()

    async def _wake(self, wish_id: WishId) -> None:
        found = self._wardens.get(wish_id)
        if found is not None and not found[1].done():
            if found[0].steps is None or found[0].steps > 0:
                return
            await _bury(found[1])
        process = Process(self._timeline)
        book = DirectBook(self._ledger, process)
        keeper = warden.Warden(wish_id, book, MemoryClouds(self._cloud))  # type: ignore[arg-type]
        keeper._came.set()  # whoever wished waits, and says so to each that is started
        self._wardens[wish_id] = (process, asyncio.ensure_future(_live(keeper)))

    async def _bury_all(self) -> None:
        for process, task in self._wardens.values():
            process.steps = 0
            await _bury(task)


async def _live(keeper: warden.Warden) -> None:
    with contextlib.suppress(Killed):
        await keeper.run(NoLink())  # type: ignore[arg-type]


async def _bury(task: asyncio.Task[None]) -> None:
    """Cancelled once, it would wait for the answer to a request, for which time would have to pass; the dead do not."""
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
    with contextlib.suppress(asyncio.CancelledError, Killed):
        await task


async def _here(work: Any, *args: Any) -> Any:
    """Not in a thread: nobody could tell then when everything has been done."""
    return work(*args)


def test_any_story_ends_well() -> None:
    run_state_machine_as_test(
        Story,
        settings=settings(
            max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
