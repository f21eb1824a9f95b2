"""The rule by which a place sinks, over any story."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpu_bridge.market.experience.reputations import CheckedGpu, Happened, judged
from jupyter_gpu_bridge.model import Outcome, Place

NOON = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)

_stories = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from([*(each.value for each in Outcome), "of-a-newer-version"])),
    max_size=12,
)
_shares = st.none() | st.floats(0.01, 1.5)


def happened(story: list[tuple[str, str]], host: str = "h") -> list[Happened]:
    return [
        Happened("vast", host, "RTX 4090", "secure", attempt, what, "why", NOON + timedelta(minutes=number))
        for number, (attempt, what) in enumerate(story)
    ]


@given(_stories, st.sampled_from(["h", ""]))
def test_a_place_sinks_by_two_failures_that_are_more_than_half_of_its_tries(
    story: list[tuple[str, str]], host: str
) -> None:
    bad = {"boot-failed", "never-entered", "set-up-failed", "reclaimed"}
    tries = {attempt for attempt, _ in story}
    failed = {attempt for attempt, what in story if what in bad}
    found = judged(happened(story, host), [])
    assert len(found) == bool(story)
    for reputation in found.values():
        assert (reputation.tries, reputation.failures) == (len(tries), len(failed))
        assert reputation.sinks == (len(failed) >= 2 and len(failed) > len(tries) / 2)
        assert bool(reputation.phrase) == bool(failed)


@given(_stories)
def test_one_more_machine_that_can_be_entered_never_makes_a_place_sink(story: list[tuple[str, str]]) -> None:
    before = judged(happened(story), []).get(Place("vast", "h"))
    after = judged(happened([*story, ("new", "entered")]), [])[Place("vast", "h")]
    assert not after.sinks or (before is not None and before.sinks)


@given(st.lists(st.tuples(_shares, _shares, st.booleans(), st.integers(0, 3)), min_size=1, max_size=8))
def test_a_host_sinks_by_the_worst_gpu_of_its_last_check_alone(
    story: list[tuple[float | None, float | None, bool, int]],
) -> None:
    checks = [
        CheckedGpu("vast", "h", "RTX 4090", "secure", "a", NOON + timedelta(hours=hour), memory, products, other)
        for memory, products, other, hour in sorted(story, key=lambda each: each[3])
    ]
    last = [each for each in checks if each.at == checks[-1].at]
    bad = [
        each
        for each in last
        if each.is_another
        or (each.bandwidth_share is not None and each.bandwidth_share < 0.6)
        or (each.tflops_share is not None and each.tflops_share < 0.4)
    ]
    found = judged([], checks)[Place("vast", "h")]
    assert found.sinks == bool(bad) == bool(found.phrase)
