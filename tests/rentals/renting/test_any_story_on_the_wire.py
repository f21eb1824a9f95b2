"""The story of `test_any_story`, told of each cloud that we have an adapter for, over its real wire."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from tests.rentals.renting.on_the_wire import WiredCloud
from tests.rentals.renting.test_any_story import KEYS, Story

OUTCOMES = ["full", "lost", "error", "stuck", "garbage", "error-after", "made"]
"""Of the first creates, in one order or another."""


class WiredStory(Story):
    provider: ClassVar[str]
    tick = timedelta(minutes=1)

    def _opened(self) -> Any:
        cloud = WiredCloud(self.provider, self._timeline)
        for name, value in self._run(cloud.open()).items():
            self._patch.setenv(name, value)
        return cloud

    @initialize(outcomes=st.permutations(OUTCOMES), keys=st.permutations(KEYS))
    def the_cloud_has_its_moods(self, outcomes: list[str], keys: list[str]) -> None:
        self._cloud.outcomes = outcomes
        for key in keys[:2]:
            self.somebody_wishes(key)

    @rule(
        verb=st.sampled_from(["destroy", "list", "get"]),
        kind=st.sampled_from(["answer-lost", "error-after", "error-before", "garbage"]),
    )
    def next_answers_are_lost(self, verb: str, kind: str) -> None:
        """Of a call and of its repetition."""
        self._cloud.fault(kind, verb=verb, calls=2)

    async def _in_the_end(self) -> None:
        self._cloud.mend()
        await super()._in_the_end()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("provider", ["sandbox", "runpod", "vast", "lambda"])
def test_any_story_ends_well_at(provider: str) -> None:
    run_state_machine_as_test(
        type("StoryAt", (WiredStory,), {"provider": provider}),
        settings=settings(
            max_examples=3,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.reuse, Phase.generate],  # to make a story shorter takes minutes, and it is short
        ),
    )
