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


class Step(Enum):
    SAY = "the kernel says a little"
    SAY_MUCH = "the kernel says more than the sockets hold"
    KILL_PAGE = "the page's server is killed when it has heard everything"
    RETURN = "the page's next server comes"
    KILL_LINK = "the link is killed and started again"


class Story:
    def __init__(self, far: Far, started: Started) -> None:
        self.far = far
        self.started = started
        self.page: Client | None = None

    async def begin(self, *, with_other: bool) -> None:
        self.other = await self.started("other") if with_other else None
        if self.other is not None:
            await self.other.speak()
        await self.come()

    async def come(self) -> None:
        if self.page is None:
            self.page = await self.started("page")
            await self.page.speak()

    async def take(self, step: Step) -> None:
        if step in (Step.SAY, Step.SAY_MUCH):
            for _ in range(20):
                number = self.far.said[Lane.IOPUB] + 1
                self.far.say(str(number).ljust(10 if step is Step.SAY else 100_000))
                self.far.say(str(number), to=b"page", lane=Lane.SHELL)
        elif step is Step.KILL_PAGE and self.page is not None:
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
        assert self.page.heard(Lane.SHELL) == self.everything
        if self.other is not None:
            await self.heard_everything(self.other)
        await self.far.all_taken()

    @property
    def everything(self) -> list[str]:
        return [str(number) for number in range(1, self.far.said[Lane.IOPUB] + 1)]

    async def heard_everything(self, client: Client) -> None:
        await client.has_heard(self.everything)
        if client.session == "page":
            await until(lambda: len(client.heard(Lane.SHELL)) >= len(self.everything), "the replies")


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(steps=st.lists(st.sampled_from(Step), min_size=3, max_size=10), with_other=st.booleans())
def test_each_session_hears_everything_once_and_in_order(steps: list[Step], with_other: bool) -> None:
    async def run(folder: Path) -> None:
        async with house(folder) as (far, started):
            story = Story(far, started)
            await story.begin(with_other=with_other)
            for step in steps:
                await story.take(step)
            await story.end()

    with tempfile.TemporaryDirectory(prefix="jgb") as folder:
        asyncio.run(asyncio.wait_for(run(Path(folder)), 60))
