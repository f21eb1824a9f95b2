"""Whatever is wished, killed, started again and broken, in whatever order: nothing unwanted stays billed.

So it is also when this computer is started anew with a clock that is two days wrong:
1. what is counted is at most what the limits allow, and a moment more;
2. no machine outlives its deadline, its lease or its budget by more than it takes to see that;
3. nothing that is to be destroyed waits for a clock;
4. what is in use is not ended for a clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
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

from jupyter_gpu_bridge.market import sources
from jupyter_gpu_bridge.model import AttemptId, Money, Need, Order, PowerOff, Ref, Rental, RentalState, WishId
from jupyter_gpu_bridge.naming import MACHINE_PREFIX
from jupyter_gpu_bridge.rentals.installation import InstallationId, installation_id, machine_name
from jupyter_gpu_bridge.rentals.ledger import Ledger, Limits
from jupyter_gpu_bridge.rentals.reconcile import FOUND, reconcile
from jupyter_gpu_bridge.rentals.warden import filling, others, tending, warden
from tests.own_home import variables
from tests.rentals.renting.in_memory import (
    DirectBook,
    Killed,
    Machine,
    MemoryCloud,
    NoLink,
    Process,
    Timeline,
)

GRACE = timedelta(minutes=10)
BUDGET = Money.parse("2.00")
LEASE = timedelta(minutes=20)
PUT_OFF = timedelta(minutes=30)
SLACK = timedelta(minutes=4)
"""For a price to be noticed, a listing to be certain, a warden to come to its next look."""
ORDERS = {
    "name:budget": Order(budget=BUDGET, deadline=timedelta(hours=3), idle=None, lease=LEASE),
    "name:deadline": Order(deadline=timedelta(hours=1), idle=None, lease=LEASE),
    "name:idle": Order(budget=BUDGET, deadline=timedelta(hours=2), idle=LEASE, lease=LEASE),
}
KEYS = tuple(ORDERS)
_IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


class Story(RuleBasedStateMachine):
    """Three wishes at most, a warden for each, and somebody who breaks things.

    The cloud's own bill is the judge: what our machines have really cost, whatever the ledger says.
    """

    tick = timedelta(seconds=30)
    """Between two looks of a warden at its machine."""

    def __init__(self) -> None:
        super().__init__()
        self._patch = pytest.MonkeyPatch()
        self._folder = tempfile.TemporaryDirectory(dir=_IN_MEMORY)
        for name, value in variables(Path(self._folder.name)).items():
            self._patch.setenv(name, value)
        self._patch.setattr(sources, "clouds_set_up", lambda: [self._cloud.name])
        self._patch.setattr(warden, "LAST_ANSWERS_FOR", 0)
        self._patch.setattr(warden, "_LOOK_EVERY", timedelta(seconds=10))
        self._patch.setattr(tending, "TICK", self.tick)
        self._patch.setattr(filling, "TICK", self.tick)
        self._patch.setattr(others, "wake", self._wake)
        self._patch.setattr(asyncio, "to_thread", _here)
        self._patch.setattr(filling, "_known_hosts", lambda rental: Path("none"))
        self._loop = asyncio.new_event_loop()
        self._timeline = Timeline()
        self._cloud: Any = self._opened()
        self._ledger = Ledger.open()
        self._wardens: dict[WishId, tuple[Process, asyncio.Task[None]]] = {}
        self._strangers = self._run(self._cloud.rented_by_others(_names_of_others()))
        self._bills: defaultdict[WishId, Money] = defaultdict(Money)
        self._helpless: defaultdict[WishId, timedelta] = defaultdict(timedelta)
        """For how long nobody could do anything for it while it had a machine: no cloud that answers, or no warden."""
        self._alone: defaultdict[Ref, timedelta] = defaultdict(timedelta)
        self._cared: dict[Ref, timedelta] = {}
        """Since when it has been looked after all the time."""
        self._put_off: set[WishId] = set()
        self._wish_of: dict[str, WishId] = {}
        self._quoted: defaultdict[WishId, Money] = defaultdict(Money)
        """The price of the dearest machine that there was for it."""
        self._order_of: dict[WishId, Order] = {}
        self._timeline.watch = self._time_has_passed

    def _opened(self) -> Any:
        """The cloud, as a `MemoryCloud` has it."""
        return MemoryCloud(self._timeline)

    def teardown(self) -> None:
        try:
            self._run(self._in_the_end())
        finally:
            self._run(self._bury_all())
            self._run(self._cloud.close())
            self._loop.close()
            self._ledger.close()
            self._patch.undo()
            self._folder.cleanup()

    # what happens --------------------------------------------------------------------------------------------------

    @initialize(
        outcomes=st.lists(st.sampled_from(["made", "lost", "error", "full", "stuck"]), max_size=6),
        ends_by=st.sampled_from(["provider", "itself", "nobody else"]),
        key=st.sampled_from(KEYS),
        says_time=st.booleans(),
    )
    def the_cloud_has_its_moods(self, outcomes: list[str], ends_by: str, key: str, says_time: bool) -> None:
        self._cloud.says_time = says_time and isinstance(self._cloud, MemoryCloud)
        self._cloud.outcomes = outcomes
        self._cloud.ends_itself = ends_by != "nobody else"
        removal = (PowerOff(),) if self._cloud.ends_itself else ()
        self._cloud.traits = replace(self._cloud.traits, limits_at_create=ends_by == "provider", removal=removal)
        self.somebody_wishes(key)

    @rule(key=st.sampled_from(KEYS))
    def somebody_wishes(self, key: str) -> None:
        process = Process(self._timeline)
        if not self._ledger.unsettled():
            process.trust_the_wall()
        order = replace(ORDERS[key], need=Need(providers=(self._cloud.name,)))
        order = replace(order, agreed=order.worst_case(self._cloud.quote))  # as with `jupyter gpu rent`
        wish, _ = self._ledger.wish(key, order, "a test", process.now())
        self._run(self._wake(wish.wish_id))

    @rule(key=st.sampled_from(KEYS))
    def somebody_has_enough(self, key: str) -> None:
        for wish in self._ledger.wishes():
            if wish.key == key:
                self._ledger.close_wish(wish.wish_id, "Enough.", self._now())
        self._run(self._timeline.settle())

    @precondition(lambda self: any(self._in_use(key) for key in KEYS))
    @rule()
    def everybody_has_enough_while_the_cloud_is_down(self) -> None:
        self._cloud.is_down = True
        for key in KEYS:
            self.somebody_has_enough(key)
        self._run(self._timeline.pass_(timedelta(seconds=30)))

    @rule(steps=st.integers(0, 25))
    def every_warden_will_be_killed(self, steps: int) -> None:
        for process, _ in self._wardens.values():
            process.steps = steps

    @rule(key=st.sampled_from(KEYS))
    def a_warden_is_killed_and_followed(self, key: str) -> None:
        """What is in use goes on: neither ended nor rented a second time."""
        for rental in self._in_use(key):
            self._run(self._bury(rental.wish_id))
            many = self._made_for(rental.wish_id)
            self._run(self._wake(rental.wish_id))
            self._run(self._timeline.pass_(timedelta(seconds=5)))
            assert rental.name in [each.name for each in self._cloud.living()], "it was ended with its warden"
            assert self._made_for(rental.wish_id) == many, "another one was rented beside it"

    @precondition(lambda self: self._cloud.says_time)
    @rule(days=st.sampled_from([-2, 0, 2]), seconds=st.sampled_from([0, 60, 7200]))
    def the_computer_is_started_anew(self, days: int, seconds: int) -> None:
        """And has another time of day then, which may be wrong, or may have been before."""
        used = [each for key in KEYS for each in self._in_use(key)]
        self._run(self._bury_all())
        self._timeline.starts += 1
        self._timeline.jump, self._timeline.heard = timedelta(days=days), None
        self._run(self._timeline.pass_(timedelta(seconds=seconds)))
        self._run(self._look())
        self._run(self._timeline.pass_(timedelta(seconds=5)))
        left = [each.name for each in self._cloud.living()]
        assert seconds > 60 or all(each.name in left for each in used), "it was ended for a clock"

    @precondition(lambda self: self._cloud.traits.puts_off)
    @rule(key=st.sampled_from(KEYS))
    def somebody_puts_it_off(self, key: str) -> None:
        for rental in self._in_use(key):
            if rental.wish_id not in self._put_off:
                self._put_off.add(rental.wish_id)
                self._ledger.extend(rental.attempt_id, rental.deadline + PUT_OFF, Limits(), self._now())

    @rule()
    def the_cloud_bills_twice_as_much(self) -> None:
        self._cloud.factor = 2

    @rule(which=st.integers(0, 20))
    def a_machine_comes_back(self, which: int) -> None:
        gone = [each for each in self._cloud.machines if each.ended is not None and not each.has_come_back]
        if gone:
            self._cloud.bring_back(gone[which % len(gone)])

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
        for machine in self._ours():
            rental = self._ledger.by_name(machine.name)
            assert rental is not None, "a machine that was not written down"
            if machine.has_come_back:
                continue
            assert rental.state.is_live, f"{machine.name} is billed and called gone"
            assert wishes.setdefault(rental.wish_id, machine.name) == machine.name, "two machines for one wish"

    @invariant()
    def one_request_makes_one_machine(self) -> None:
        names = [each.name for each in self._cloud.machines]
        assert len(names) == len(set(names)), "one request was sent twice"

    @invariant()
    def what_is_of_others_is_not_touched(self) -> None:
        for machine in self._strangers:
            assert machine.ended is None, f"{machine.name} was ended"
            assert self._ledger.by_name(machine.name) is None, f"{machine.name} was taken for ours"

    @invariant()
    def what_is_counted_is_what_was_allowed_or_billed(self) -> None:
        """Also after days in which nobody could look."""
        back = {self._wish(machine) for machine in self._cloud.machines if machine.has_come_back}
        counted: defaultdict[WishId, Money] = defaultdict(Money)
        for rental in self._ledger.rentals(live_only=False):
            counted[rental.wish_id] += rental.accrued
        for wish_id, cost in counted.items():
            most = self._most(wish_id) if self._cloud.ends_itself else cost
            if wish_id not in back:
                assert cost <= max(most, self._bills[wish_id]) + self._price(wish_id).during(SLACK), (
                    f"{cost} is counted"
                )

    @invariant()
    def what_nobody_looks_after_ends_itself(self) -> None:
        for machine in self._ours():
            if self._cloud.ends_itself and not machine.has_come_back:
                assert self._alone[machine.ref] <= LEASE, f"{machine.name} lives without anybody"

    @invariant()
    def nothing_ends_for_a_mistake_of_ours(self) -> None:
        for wish in self._ledger.wishes(open_only=False):
            assert "nobody thought of" not in wish.closed_because, wish.closed_because

    async def _in_the_end(self) -> None:
        """Everybody is back and the cloud is well: soon nothing is billed that is not wanted, and later nothing."""
        self._cloud.is_down, self._cloud.lag = False, timedelta(0)
        for _ in range(2):
            await self._look()
            await self._timeline.pass_(GRACE)
        wanted = {wish.wish_id for wish in self._ledger.wishes()}
        unwanted = [each for each in self._ours() if self._was_missed(each) or self._wish(each) not in wanted]
        await self._timeline.pass_(SLACK)  # for one whose wish has been closed just now
        left = [each.name for each in self._ours() if each in unwanted]
        assert not left, f"billed and not wanted: {left}"
        await self._timeline.pass_(max(order.deadline for order in ORDERS.values()) + PUT_OFF)
        assert not self._ours(), "a machine outlives all limits"
        self.what_is_of_others_is_not_touched()
        self.nothing_ends_for_a_mistake_of_ours()

    def _was_missed(self, machine: Machine) -> bool:
        """It has come back; what came back before anybody saw that it was gone is what it was."""
        rental = self._ledger.by_name(machine.name)
        return machine.has_come_back and (rental is None or rental.has_returned or rental.state is RentalState.GONE)

    # the judge -----------------------------------------------------------------------------------------------------

    def _time_has_passed(self, since: timedelta, until: timedelta) -> None:
        there = [each for each in self._cloud.machines if each.ended is None and not each.has_come_back]
        self._cloud.go_on()
        for machine in there:
            if machine in self._strangers:
                continue
            passed = min(until, max(machine.ends, since)) - since
            wish_id = self._wish(machine)
            self._bills[wish_id] += self._cloud.billed(machine, passed)
            is_alone = not self._is_looked_after(wish_id)
            if is_alone or self._cloud.is_down:
                self._helpless[wish_id] += passed
                self._cared[machine.ref] = until
            self._require_within_limits(wish_id, machine)
            self._alone[machine.ref] = self._alone[machine.ref] + passed if is_alone else timedelta(0)
            if machine.ends <= until:
                self._it_ends_itself(machine)

    def _require_within_limits(self, wish_id: WishId, machine: Machine) -> None:
        order, bill, late = self._order(wish_id), self._bills[wish_id], self._helped_late(wish_id)
        latest = order.deadline + (PUT_OFF if wish_id in self._put_off else timedelta(0))
        age = min(self._timeline.elapsed, machine.ends) - machine.born
        assert age <= latest + late, f"{machine.name} has lived for {age}"
        most = self._most(wish_id)
        assert bill <= most + self._price(wish_id).during(late), f"{bill} is billed, and {most} was to be the most"

    def _most(self, wish_id: WishId) -> Money:
        """What was shown or allowed."""
        order = self._order(wish_id)
        if order.budget is not None:
            return order.budget
        more = self._price(wish_id).during(PUT_OFF) if wish_id in self._put_off else Money()
        return (order.agreed or order.worst_case(self._quoted[wish_id])) + more

    def _price(self, wish_id: WishId) -> Money:
        """As it is billed now."""
        return self._quoted[wish_id] * int(self._cloud.factor)

    def _it_ends_itself(self, machine: Machine) -> None:
        cared_for = machine.ends - self._cared.get(machine.ref, machine.born)
        if cared_for <= LEASE + SLACK:
            return
        assert machine.ends < machine.lease_end, "its lease was not renewed"
        rental = self._ledger.by_name(machine.name)
        assert rental is not None
        assert self._is_near_its_end(rental), "it has ended itself before its limits"

    def _is_near_its_end(self, rental: Rental) -> bool:
        most = rental.ceiling
        is_spent = most is not None and rental.accrued + rental.price.during(SLACK) >= most
        return is_spent or rental.deadline - self._now() <= SLACK

    def _helped_late(self, wish_id: WishId) -> timedelta:
        """Nobody is asked again at once when a cloud was down: the longer it was, the later."""
        return SLACK + 2 * self._helpless[wish_id]

    def _ours(self) -> list[Machine]:
        return [each for each in self._cloud.living() if each not in self._strangers]

    def _wish(self, machine: Machine) -> WishId:
        if machine.name not in self._wish_of:
            rental = self._ledger.by_name(machine.name)
            assert rental is not None, "a machine that was not written down"
            self._wish_of[machine.name] = rental.wish_id
            self._quoted[rental.wish_id] = max(self._quoted[rental.wish_id], rental.offer.price)
        return self._wish_of[machine.name]

    def _order(self, wish_id: WishId) -> Order:
        if wish_id not in self._order_of:
            self._order_of[wish_id] = self._ledger.find_wish(wish_id).order
        return self._order_of[wish_id]

    def _in_use(self, key: str) -> list[Rental]:
        """What has somebody to look after it, and nothing that ends it soon."""
        wishes = {wish.wish_id for wish in self._ledger.wishes() if wish.key == key}
        there = {each.name for each in self._ours() if self._timeline.elapsed < each.ends - SLACK}
        return [
            each
            for each in self._ledger.rentals()
            if each.wish_id in wishes
            and each.name in there
            and each.state in (RentalState.REACHABLE, RentalState.IN_USE)
            and self._is_looked_after(each.wish_id)
            and not self._is_near_its_end(each)
        ]

    def _made_for(self, wish_id: WishId) -> int:
        """How many machines there ever were."""
        mine = (each for each in self._cloud.machines if each not in self._strangers)
        return sum(self._wish(each) == wish_id for each in mine)

    def _is_looked_after(self, wish_id: WishId) -> bool:
        found = self._wardens.get(wish_id)
        return found is not None and not found[1].done() and (found[0].steps is None or found[0].steps > 0)

    # how -----------------------------------------------------------------------------------------------------------

    def _run(self, work: Any) -> Any:
        return self._loop.run_until_complete(work)

    def _now(self) -> datetime:
        return self._timeline.true_now if self._cloud.says_time else Process(self._timeline).now()

    async def _look(self) -> None:
        """As the guard does."""
        process = Process(self._timeline)
        book = DirectBook(self._ledger, process)
        await reconcile(book, self._cloud.seen_by_one(), [self._cloud.name])
        for wish in self._ledger.unsettled():
            if not (wish.key.startswith(FOUND) and wish.is_open):
                await self._wake(wish.wish_id)
        await self._timeline.settle()

    async def _wake(self, wish_id: WishId) -> None:
        if self._is_looked_after(wish_id):
            return
        await self._bury(wish_id)
        process = Process(self._timeline)
        book = DirectBook(self._ledger, process)
        keeper = warden.Warden(wish_id, book, self._cloud.seen_by_one())
        link = NoLink(self._timeline, lambda: self._machine(wish_id))
        keeper._came.set()  # whoever wished waits, and says so to each that is started
        self._wardens[wish_id] = (process, asyncio.ensure_future(_live(keeper, link)))

    def _machine(self, wish_id: WishId) -> Machine | None:
        return next((each for each in self._ours() if self._wish(each) == wish_id and not each.has_come_back), None)

    async def _bury(self, wish_id: WishId) -> None:
        found = self._wardens.get(wish_id)
        if found is not None:
            found[0].steps = 0
            await _bury(found[1])

    async def _bury_all(self) -> None:
        for wish_id in self._wardens:
            await self._bury(wish_id)


def _names_of_others() -> list[str]:
    """Another installation's, and such as look like ours."""
    ours, attempt = installation_id(), AttemptId("0123456789abcdef")
    return [
        machine_name(InstallationId("zzzzzzzz"), attempt),
        "a-box-of-somebody",
        f"{MACHINE_PREFIX}{ours}",
        f"my-{machine_name(ours, attempt)}",
    ]


async def _live(keeper: warden.Warden, link: NoLink) -> None:
    with contextlib.suppress(Killed):
        await keeper.run(link)  # type: ignore[arg-type]


async def _bury(task: asyncio.Task[None]) -> None:
    """Cancelled once, it would wait for the answer to a request, for which time would have to pass; the dead do not."""
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
    with contextlib.suppress(asyncio.CancelledError, Killed):
        await task


async def _here(work: Any, *args: Any, **more: Any) -> Any:
    """Not in a thread: nobody could tell then when everything has been done."""
    return work(*args, **more)


def test_any_story_ends_well() -> None:
    run_state_machine_as_test(
        Story,
        settings=settings(
            max_examples=50, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
