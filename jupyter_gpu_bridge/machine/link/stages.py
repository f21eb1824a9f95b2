"""The stages of a start, each told with the time that it usually takes, and timed for those that come later."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Protocol

from jupyter_gpu_bridge.durations import spoken
from jupyter_gpu_bridge.errors import BridgeError

Report = Callable[[str, str], None]
"""Told the name of a stage and a sentence."""


class StageTimes(Protocol):
    """Who knows how long things take on machines like this one."""

    async def typical(self) -> Mapping[str, timedelta]: ...

    async def took(self, stage: str, time: timedelta) -> None: ...


class StageWatch:
    """Of one start."""

    def __init__(self, report: Report, typical: Mapping[str, timedelta]) -> None:
        self._report = report
        self._typical = typical
        self._stage = ""
        self._since = time.monotonic()
        self._took: defaultdict[str, float] = defaultdict(float)

    def report(self, stage: str, text: str) -> None:
        if stage != self._stage:
            self._change(stage)
        self._report(stage, text + usually(self._typical.get(stage)))

    def finish(self) -> Mapping[str, timedelta]:
        """How long each stage has taken."""
        self._change("")
        return {stage: timedelta(seconds=seconds) for stage, seconds in self._took.items()}

    def _change(self, stage: str) -> None:
        now = time.monotonic()
        if self._stage:
            self._took[self._stage] += now - self._since
        self._stage, self._since = stage, now


def usually(time: timedelta | None) -> str:
    """To be said after what is being done."""
    return "" if time is None else f" (usually {spoken(max(time, timedelta(seconds=1)))})"


async def typical_of(times: StageTimes | None) -> Mapping[str, timedelta]:
    """Nothing when they cannot be read: a start does not fail for that."""
    typical: Mapping[str, timedelta] = {}
    if times is not None:
        with contextlib.suppress(BridgeError):
            typical = await times.typical()
    return typical


async def remember(times: StageTimes | None, took: Mapping[str, timedelta]) -> None:
    if times is not None:
        with contextlib.suppress(BridgeError):
            for stage, time in took.items():
                await times.took(stage, time)
