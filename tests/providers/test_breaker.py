"""The breaker: any story of calls on a clock of the test, and the moments that matter."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from jupyter_gpu_bridge.model import BreakerState
from jupyter_gpu_bridge.providers.breaker import Breaker, BreakerRules, Permit

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def opened(clock: Clock, rules: BreakerRules = BreakerRules()) -> Breaker:  # noqa: B008 - it is frozen
    breaker = Breaker(lambda: rules, clock)
    for _ in range(rules.threshold):
        breaker.failed(allowed(breaker))
    return breaker


def allowed(breaker: Breaker) -> Permit:
    permit = breaker.permit()
    assert permit is not None
    return permit


def test_it_opens_after_so_many_failures_in_a_row_and_says_when_it_tries_again() -> None:
    clock = Clock()
    breaker = Breaker(lambda: BreakerRules(threshold=5, open_for=60), clock)
    for _ in range(4):
        breaker.failed(allowed(breaker))
    breaker.succeeded(allowed(breaker))
    for _ in range(4):
        breaker.failed(allowed(breaker))
    assert breaker.state is CLOSED
    breaker.failed(allowed(breaker))
    clock.now += 10
    assert (breaker.state, breaker.failures, breaker.trips) == (OPEN, 5, 1)
    assert (breaker.tries_in, breaker.since_last_failure) == (50, 10)
    assert breaker.permit() is None


@pytest.mark.parametrize("probes", [1, 3])
def test_half_open_lets_exactly_so_many_try_as_are_allowed(probes: int) -> None:
    clock = Clock()
    breaker = opened(clock, BreakerRules(probes=probes))
    clock.now += 60
    assert breaker.state is HALF_OPEN
    assert sum(breaker.permit() is not None for _ in range(100)) == probes


def test_a_probe_that_succeeds_closes_it_and_one_that_fails_opens_it_for_as_long_again() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += 60
    breaker.failed(allowed(breaker))
    assert (breaker.state, breaker.tries_in, breaker.trips) == (OPEN, 60, 2)
    clock.now += 60
    breaker.succeeded(allowed(breaker))
    assert (breaker.state, breaker.failures, breaker.tries_in) == (CLOSED, 0, None)


def test_a_cancelled_call_says_nothing_and_a_cancelled_probe_makes_room_for_another() -> None:
    clock = Clock()
    breaker = Breaker(lambda: BreakerRules(threshold=2), clock)
    breaker.failed(allowed(breaker))
    for _ in range(5):
        breaker.let_be(allowed(breaker))
    assert breaker.failures == 1
    breaker.failed(allowed(breaker))
    clock.now += 60
    breaker.let_be(allowed(breaker))
    assert breaker.state is HALF_OPEN
    breaker.succeeded(allowed(breaker))
    assert breaker.state is CLOSED


def test_what_began_before_it_opened_neither_closes_it_nor_counts_against_a_probe() -> None:
    clock = Clock()
    breaker = Breaker(BreakerRules, clock)
    early, late = allowed(breaker), allowed(breaker)
    for _ in range(5):
        breaker.failed(allowed(breaker))
    breaker.succeeded(early)
    assert breaker.state is OPEN
    clock.now += 60
    probe = allowed(breaker)
    breaker.failed(late)
    assert breaker.state is HALF_OPEN
    breaker.succeeded(probe)
    assert breaker.state is CLOSED


def test_what_passes_in_any_state_counts_in_any_state() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += 30
    forced = breaker.permit(always=True)
    assert forced is not None
    breaker.failed(forced)
    assert breaker.tries_in == 60
    forced = breaker.permit(always=True)
    assert forced is not None
    breaker.succeeded(forced)
    assert breaker.state is CLOSED


def test_a_reset_forgets_failures_and_what_was_under_way() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += 60
    probe = allowed(breaker)
    breaker.reset()
    breaker.failed(probe)
    assert (breaker.state, breaker.failures) == (CLOSED, 0)


@given(leap=st.floats(-1e9, 1e9))
def test_somebody_who_sets_the_clock_of_the_computer_changes_nothing(leap: float) -> None:
    breaker = Breaker(lambda: BreakerRules(threshold=1, open_for=3600))
    breaker.failed(allowed(breaker))
    real = time.time
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: real() + leap)
        patch.setattr(time, "time_ns", lambda: int((real() + leap) * 1e9))
        assert breaker.state is OPEN
        assert breaker.permit() is None
        left = breaker.tries_in
    assert left is not None
    assert 3590 < left <= 3600


class Story(RuleBasedStateMachine):
    """Whatever happens: a model that only counts agrees."""

    @initialize(threshold=st.integers(1, 4), probes=st.integers(1, 3))
    def begin(self, threshold: int, probes: int) -> None:
        self.clock = Clock()
        self.wanted = BreakerRules(threshold, 60.0, probes)
        self.breaker = Breaker(lambda: self.wanted, self.clock)
        self.under_way: list[Permit] = []
        self.probes: list[Permit] = []
        self.in_a_row = 0
        self.opened: float | None = None

    @property
    def expected(self) -> BreakerState:
        if self.opened is None:
            return CLOSED
        return HALF_OPEN if self.clock.now >= self.opened + 60 else OPEN

    @rule(seconds=st.sampled_from([0.0, 1.0, 59.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def somebody_asks(self) -> None:
        state, free = self.expected, len(self.probes) < self.wanted.probes
        permit = self.breaker.permit()
        assert (permit is not None) == (state is CLOSED or (state is HALF_OPEN and free))
        if permit is not None:
            self.under_way.append(permit)
            if state is HALF_OPEN:
                self.probes.append(permit)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), end=st.sampled_from(["succeeded", "failed", "let_be"]))
    def one_ends(self, data: st.DataObject, end: str) -> None:
        self.ends(data.draw(st.sampled_from(self.under_way)), end)

    def ends(self, permit: Permit, end: str) -> None:
        """This very one: others may look the same."""
        is_probe = any(each is permit for each in self.probes)
        self.under_way = [each for each in self.under_way if each is not permit]
        counts = is_probe or (self.opened is None and permit.turn == self.breaker._turn)
        getattr(self.breaker, end)(permit)
        if not counts:
            return
        if end == "let_be":
            self.probes = [each for each in self.probes if each is not permit]
        elif end == "succeeded":
            self.in_a_row, self.opened, self.probes = 0, None, []
        else:
            self.in_a_row += 1
            if self.opened is not None or self.in_a_row >= self.wanted.threshold:
                self.opened, self.probes = self.clock.now, []

    @rule()
    def somebody_resets_it(self) -> None:
        self.breaker.reset()
        self.in_a_row, self.opened, self.probes = 0, None, []

    @invariant()
    def it_is_as_expected(self) -> None:
        if hasattr(self, "clock"):
            assert self.breaker.state is self.expected
            assert self.breaker.failures == self.in_a_row


def test_the_model_tells_probes_apart_that_look_the_same() -> None:
    story = Story()
    story.begin(threshold=1, probes=2)
    story.somebody_asks()
    story.ends(story.under_way[0], "failed")
    story.time_passes(60.0)
    story.somebody_asks()
    story.somebody_asks()
    first, second = story.under_way
    assert first == second
    story.ends(second, "let_be")
    assert [each is first for each in story.under_way] == [True]
    story.ends(story.under_way[0], "let_be")
    story.somebody_asks()
    story.somebody_asks()
    story.it_is_as_expected()


def test_any_story() -> None:
    run_state_machine_as_test(Story, settings=settings(max_examples=80, deadline=None))
