"""When it is tried again: a matter of numbers."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpu_bridge.providers.http.retry import NEVER, RetryRules, retry_after

_SECONDS = st.floats(0, 300)
RULES = st.builds(RetryRules, st.integers(0, 20), _SECONDS, _SECONDS, st.floats(0, 60))
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=timezone.utc)


def test_pauses_grow_to_a_limit_as_users_know_them() -> None:
    usual = RetryRules()
    assert [usual.pause(repeated, 1e6, None, lambda: 0.0) for repeated in range(4)] == [2, 4, 8, None]
    patient = RetryRules(most=7, jitter=0)
    assert [patient.pause(repeated, 1e6, None) for repeated in range(7)] == [2, 4, 8, 16, 32, 32, 32]
    assert usual.patience == 2 + 4 + 8 + 3
    assert NEVER.pause(0, 1e6, None) is None


@given(rules=RULES, repeated=st.integers(0, 25), left=st.floats(0, 1000), chance=st.floats(0, 1))
def test_no_pause_is_longer_than_the_longest_nor_than_what_is_left(
    rules: RetryRules, repeated: int, left: float, chance: float
) -> None:
    pause = rules.pause(repeated, left, None, lambda: chance)
    if pause is not None:
        assert 0 <= pause <= rules.longest
        assert pause < left
        assert repeated < rules.most


@given(rules=RULES, asked=st.floats(0, 1e9), left=st.floats(0, 1000), chance=st.floats(0, 1))
def test_a_cloud_is_never_asked_before_it_wants_to_be_and_never_waited_for_beyond_the_time_there_is(
    rules: RetryRules, asked: float, left: float, chance: float
) -> None:
    pause = rules.pause(0, left, asked, lambda: chance)
    if pause is None:
        assert rules.most == 0 or asked >= left
    else:
        assert asked <= pause < left


@given(rules=RULES, chances=st.lists(st.floats(0, 1), min_size=20, max_size=20))
def test_all_pauses_together_are_no_longer_than_promised(rules: RetryRules, chances: list[float]) -> None:
    pauses = [rules.pause(number, 1e9, None, lambda: chances[number]) for number in range(rules.most)]  # noqa: B023
    assert sum(pause for pause in pauses if pause is not None) <= rules.patience + 1e-6


def test_both_forms_of_the_header_are_understood() -> None:
    assert retry_after({"Retry-After": " 7 "}) == 7
    in_two_hours = format_datetime(NOW + timedelta(hours=2), usegmt=True)
    assert retry_after({"Retry-After": in_two_hours}, lambda: NOW) == 7200
    assert retry_after({"Retry-After": format_datetime(NOW - timedelta(1))}, lambda: NOW) == 0
    assert retry_after({}) is None


@given(skew=st.integers(-10_000_000, 10_000_000))
def test_a_cloud_or_a_computer_whose_clock_is_wrong_is_waited_for_no_longer(skew: int) -> None:
    its_now = NOW + timedelta(seconds=skew)
    headers = {
        "Date": format_datetime(its_now, usegmt=True),
        "Retry-After": format_datetime(its_now + timedelta(seconds=30), usegmt=True),
    }
    assert retry_after(headers, lambda: NOW) == 30


@pytest.mark.parametrize("said", ["9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_what_is_far_away_is_far_away(said: str) -> None:
    found = retry_after({"Retry-After": said})
    assert found is not None
    assert 1e8 < found < 1e10


@given(st.text(st.characters(codec="latin-1")))
def test_no_header_is_more_than_a_number_or_nothing(said: str) -> None:
    found = retry_after({"Retry-After": said, "Date": said})
    assert found is None or 0 <= found < 1e10


@pytest.mark.parametrize("said", ["²", "-1", "soon", "Fri, 99 Foo 2026 00:00:00 GMT", "1.5"])
def test_a_header_that_makes_no_sense_is_none(said: str) -> None:
    assert retry_after({"Retry-After": said}) is None
