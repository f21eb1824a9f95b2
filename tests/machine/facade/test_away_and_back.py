"""Clients and links are killed with SIGKILL, come back, and miss nothing and hear nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from jupyter_gpu_bridge.model import Lane
from tests.machine.facade.conftest import Started, house
from tests.machine.facade.far import Far, until
from tests.machine.facade.link_process import NOTICE

Story = Callable[[Far, Started], Awaitable[None]]


def tell(story: Story, folder: Path) -> None:
    async def run() -> None:
        async with house(folder) as (far, started):
            await asyncio.wait_for(story(far, started), 50)

    asyncio.run(run())


def words(first: int, last: int) -> list[str]:
    return [str(each) for each in range(first, last + 1)]


async def say(far: Far, first: int, last: int) -> list[str]:
    for each in words(first, last):
        far.say(each)
    return words(1, last)


def test_a_session_whose_only_server_was_killed_gets_what_was_said_meanwhile(short_folder: Path) -> None:
    async def story(far: Far, started: Started) -> None:
        page = await started("page")
        await page.speak()
        await page.has_heard(await say(far, 1, 50))
        await page.kill()
        everything = await say(far, 51, 100)
        again = await started("page")
        await again.speak()
        await again.has_heard(everything)
        await far.all_taken()

    tell(story, short_folder)


def test_others_go_on_while_a_session_is_away_and_it_catches_up_in_order(short_folder: Path) -> None:
    async def story(far: Far, started: Started) -> None:
        page, other = await started("page"), await started("other")
        await page.speak()
        await other.speak()
        everything = await say(far, 1, 20)
        await page.has_heard(everything)
        await page.kill()
        everything = await say(far, 21, 500)
        await other.has_heard(everything)
        await far.all_taken()
        far.say("the reply", to=b"page", lane=Lane.SHELL)
        await far.all_taken(Lane.SHELL)
        again = await started("page")
        await again.speak()
        await again.has_heard(everything)
        await again.has_heard(["the reply"], Lane.SHELL)
        await again.has_heard(await say(far, 501, 600))
        await other.has_heard(words(1, 600))
        await far.all_taken()

    tell(story, short_folder)


def test_a_returning_session_hears_nothing_before_it_speaks(short_folder: Path) -> None:
    async def story(far: Far, started: Started) -> None:
        page, other = await started("page"), await started("other")
        await page.speak()
        await other.speak()
        await page.has_heard(await say(far, 1, 5))
        await page.kill()
        await other.has_heard(await say(far, 6, 10))
        again = await started("page")
        far.say("a reply", to=b"page", lane=Lane.CONTROL)
        await far.reports("clients", 2)
        await far.all_taken(Lane.CONTROL)
        assert again.heard() == words(1, 5)
        assert again.heard(Lane.CONTROL) == []
        await again.speak()
        await again.has_heard(["a reply"], Lane.CONTROL)
        await until(lambda: again.heard() == other.heard(), "it has caught up")

    tell(story, short_folder)


@pytest.mark.parametrize("size", [10, 300_000])
def test_a_killed_link_neither_loses_nor_repeats(short_folder: Path, size: int) -> None:
    async def story(far: Far, started: Started) -> None:
        page, other = await started("page"), await started("other")
        await page.speak()
        await other.speak()
        last = 0
        for _ in range(4):
            for _ in range(40):
                last += 1
                far.say(str(last).ljust(size))
                far.say(f"reply {last}", to=b"page", lane=Lane.SHELL)
                await asyncio.sleep(0)
            await until(lambda at=last: far.taken[Lane.IOPUB] > at - 38, "it is in the middle of it")  # type: ignore[misc]
            await far.kill_link()
            await far.start_link()
        await page.has_heard(words(1, last))
        await other.has_heard(words(1, last))
        await page.has_heard([f"reply {each}" for each in words(1, last)], Lane.SHELL)
        await far.all_taken()

    tell(story, short_folder)


def test_link_and_client_killed_together_still_lose_nothing(short_folder: Path) -> None:
    async def story(far: Far, started: Started) -> None:
        page, other = await started("page"), await started("other")
        await page.speak()
        await other.speak()
        await page.has_heard(await say(far, 1, 10))
        await other.has_heard(words(1, 10))
        await far.kill_link()
        await page.kill()
        await far.start_link()
        everything = await say(far, 11, 60)
        far.say("the reply", to=b"page", lane=Lane.SHELL)
        await other.has_heard(everything)
        await far.kill_link()
        await far.start_link()
        again = await started("page")
        await again.speak()
        await again.has_heard(everything)
        await again.has_heard(["the reply"], Lane.SHELL)
        await other.has_heard(await say(far, 61, 70))
        await again.has_heard(words(1, 70))
        await far.all_taken()

    tell(story, short_folder)


def test_two_pages_of_one_killed_server_each_get_what_they_missed(short_folder: Path) -> None:
    async def story(far: Far, started: Started) -> None:
        server, other = await started("left,right"), await started("other")
        await server.speak()
        await other.speak()
        everything = await say(far, 1, 20)
        for page in ("left", "right"):
            await server.has_heard(everything, session=page)
        await server.kill()
        everything = await say(far, 21, 200)
        await other.has_heard(everything)
        for page in ("left", "right"):
            far.say(f"for {page}", to=page.encode(), lane=Lane.SHELL)
        again = await started("left,right")
        await again.speak()
        for page in ("left", "right"):
            await again.has_heard(everything, session=page)
            await again.has_heard([f"for {page}"], Lane.SHELL, page)
        await far.all_taken()

    tell(story, short_folder)


def test_what_is_too_much_to_keep_is_given_up_and_the_others_go_on(short_folder: Path) -> None:
    async def story(far: Far, started: Started) -> None:
        page, other = await started("page"), await started("other")
        await page.speak()
        await other.speak()
        await page.has_heard(await say(far, 1, 5))
        await page.kill()
        await far.reports("away", 1)
        for number in range(60):
            far.say(f"{number} ".ljust(1_000_000))
        await far.all_taken()
        await far.reports("away", 0)
        assert not list((far.folder / "state").glob("*.journal"))
        again = await started("page")
        await again.speak()
        far.say("live")
        await until(lambda: again.heard()[-1] == "live", "it is live")
        assert again.heard()[5] == NOTICE

    tell(story, short_folder)


def test_a_server_that_never_gives_receipts_holds_nobody_up_and_its_page_is_told_what_is_lost(
    short_folder: Path,
) -> None:
    async def story(far: Far, started: Started) -> None:
        page = await started("m-page")
        await page.speak()
        for number in range(100):
            far.say(f"{number} ".ljust(100_000))
            far.say(f"reply {number} ".ljust(100_000), to=b"m-page", lane=Lane.SHELL)
        await until(lambda: len(page.heard()) == 100, "it has read everything")
        for lane in (Lane.IOPUB, Lane.SHELL):
            await until(lambda lane=lane: far.taken[lane] > 50, f"most is taken all the same: {far.taken}")  # type: ignore[misc]
            assert far.taken[lane] < 100, "and the last is kept"
        await page.kill()
        again = await started("m-page")
        await again.speak()
        await until(lambda: again.heard()[101:][-1:] == ["99"], "it is told, and given the last again")
        assert again.heard()[100] == NOTICE
        given_again = [int(number) for number in again.heard()[101:]]
        assert given_again == list(range(100 - len(given_again), 100))
        assert len(given_again) >= 10
        await until(lambda: again.heard(Lane.SHELL)[-1] == "reply 99", "replies, too")

    tell(story, short_folder)
