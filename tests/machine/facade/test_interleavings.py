"""Whatever is killed in whatever order: each session hears everything once and in order."""

from __future__ import annotations

import asyncio
import tempfile
from enum import Enum
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_gpu_bridge.model import Lane
from tests.machine.facade.conftest import Started, house
from tests.machine.facade.far import Client, Far, until
from tests.machine.facade.link_process import NOTICE

PLAIN, RECEIPTING = "page", "r-page"


class Step(Enum):
    SAY = "the kernel says a little"
    SAY_MUCH = "the kernel says more than the sockets hold"
    KILL_PAGE = "the page's server is killed when it has heard everything"
    KILL_PAGE_AT_ONCE = "the page's server is killed whatever it has read and not passed on"
    RETURN = "the page's next server comes"
    KILL_LINK = "the link is killed and started again"


class Story:
    def __init__(self, far: Far, started: Started, name: str) -> None:
        self.far = far
        self.started = started
        self.name = name
        self.page: Client | None = None
        self.killed_at_once = 0

    async def begin(self, *, with_other: bool) -> None:
        self.other = await self.started("other") if with_other else None
        if self.other is not None:
            await self.other.speak()
        await self.come()

    async def come(self) -> None:
        if self.page is None:
            self.page = await self.started(self.name)
            await self.page.speak()

    async def take(self, step: Step) -> None:
        if step in (Step.SAY, Step.SAY_MUCH):
            for _ in range(20):
                number = self.far.said[Lane.IOPUB] + 1
                self.far.say(str(number).ljust(10 if step is Step.SAY else 100_000))
                self.far.say(str(number), to=self.name.encode(), lane=Lane.SHELL)
        elif step is Step.KILL_PAGE_AT_ONCE and self.page is not None and self.name == RECEIPTING:
            await self.page.kill()
            self.page = None
            self.killed_at_once += 1
        elif step in (Step.KILL_PAGE, Step.KILL_PAGE_AT_ONCE) and self.page is not None:
            await self.heard_everything(self.page)
            await self.page.kill()
            self.page = None
        elif step is Step.RETURN:
            await self.come()
        elif step is Step.KILL_LINK:
            await self.far.kill_link()
            await self.far.start_link()

    async def end(self) -> None:
        await self.come()
        assert self.page is not None
        await self.heard_everything(self.page)
        if self.other is not None:
            await self.heard_everything(self.other)
        await self.far.all_taken()

    @property
    def everything(self) -> list[str]:
        return [str(number) for number in range(1, self.far.said[Lane.IOPUB] + 1)]

    async def heard_everything(self, client: Client) -> None:
        for lane in (Lane.IOPUB, Lane.SHELL) if client is self.page else (Lane.IOPUB,):
            await until(lambda lane=lane: client.heard(lane)[-1:] == self.everything[-1:], f"all of {lane}")  # type: ignore[misc]
            heard = [each for each in client.heard(lane) if each != NOTICE]
            assert list(dict.fromkeys(heard)) == self.everything
            # On a busy computer a page may be killed before it has said what it has: then it is warned for nothing.
            assert client.heard(lane).count(NOTICE) <= self.killed_at_once
            # A kill may fall between the writing of a message and that of its receipt.
            assert len(heard) - len(self.everything) <= self.killed_at_once


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(
    steps=st.lists(st.sampled_from(Step), min_size=3, max_size=10),
    with_other=st.booleans(),
    name=st.sampled_from([PLAIN, RECEIPTING]),
)
def test_each_session_hears_everything_once_and_in_order(steps: list[Step], with_other: bool, name: str) -> None:
    async def run(folder: Path) -> None:
        async with house(folder) as (far, started):
            story = Story(far, started, name)
            await story.begin(with_other=with_other)
            for step in steps:
                await story.take(step)
            await story.end()

    with tempfile.TemporaryDirectory(prefix="jgb") as folder:
        asyncio.run(asyncio.wait_for(run(Path(folder)), 60))
