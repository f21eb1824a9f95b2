"""Whoever waits for a start is told how long each of its stages usually takes."""

from __future__ import annotations

from datetime import timedelta

from jupyter_gpu_bridge.machine.link.stages import StageWatch, remember, typical_of, usually


class Times:
    """Of machines that start their kernels in eight seconds."""

    def __init__(self) -> None:
        self.learned: dict[str, timedelta] = {}

    async def typical(self) -> dict[str, timedelta]:
        return {"starting": timedelta(seconds=8)}

    async def took(self, stage: str, time: timedelta) -> None:
        self.learned[stage] = time


async def test_a_known_stage_is_told_with_its_usual_time() -> None:
    told: list[tuple[str, str]] = []
    watch = StageWatch(lambda stage, text: told.append((stage, text)), await typical_of(Times()))
    watch.report("starting", "starting the kernel")
    watch.report("preparing", "installing ipykernel")
    assert told == [("starting", "starting the kernel (usually 8 s)"), ("preparing", "installing ipykernel")]


async def test_each_stage_is_timed_by_itself() -> None:
    times = Times()
    watch = StageWatch(lambda stage, text: None, {})
    for stage in ("starting", "preparing", "preparing", "starting"):
        watch.report(stage, "working")
    await remember(times, watch.finish())
    assert set(times.learned) == {"starting", "preparing"}
    assert all(time >= timedelta() for time in times.learned.values())


async def test_where_nobody_knows_nothing_is_told() -> None:
    assert await typical_of(None) == {}
    await remember(None, {"starting": timedelta(seconds=1)})
    assert usually(None) == ""


def test_what_takes_no_time_takes_a_second() -> None:
    assert usually(timedelta(milliseconds=200)) == " (usually 1 s)"
