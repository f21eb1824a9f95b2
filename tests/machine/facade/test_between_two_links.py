"""A link was killed and the next one is there: what happens to a page before everything is as it was.

Each of these moments is short, and comes about by chance on a busy computer; here it is brought about.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from jupyter_gpu_bridge.machine.facade import Receipts
from jupyter_gpu_bridge.machine.facade.pairing import SECONDS as PAIRING_SECONDS
from jupyter_gpu_bridge.model import Lane
from tests.machine.facade.conftest import Started
from tests.machine.facade.far import Client, Far, until
from tests.machine.facade.link_process import NOTICE
from tests.machine.facade.test_away_and_back import tell, words

BIG = 100_000
"""The sockets hold a few of these, and by no means all that is said here."""
REPLY_LANES = (Lane.SHELL, Lane.STDIN, Lane.CONTROL)


def talk(far: Far, count: int, size: int = 10) -> list[str]:
    """The kernel says its next words, which are numbers; all that it has said so far."""
    for _ in range(count):
        far.say(str(far.said[Lane.IOPUB] + 1).ljust(size))
    return words(1, far.said[Lane.IOPUB])


def reply(far: Far, to: str, count: int = 1) -> list[str]:
    for _ in range(count):
        far.say(str(far.said[Lane.SHELL] + 1), to=to.encode(), lane=Lane.SHELL)
    return words(1, far.said[Lane.SHELL])


async def server_with(started: Started, name: str) -> Client:
    page = await started(name)
    await page.speak()
    return page


async def iopub_alone_is_back(far: Far) -> None:
    """The link reports what it sees with each record, so the kernel goes on talking a little."""
    await until(lambda: bool(talk(far, 1)) and far.state.get("clients") == 1, "its iopub socket is back")
    await far.all_delivered()


def test_of_a_page_with_only_its_iopub_socket_back_nothing_is_lost_that_it_was_given(short_folder: Path) -> None:
    async def story(far: Far, started: Started) -> None:
        page = await server_with(started, "r-page")
        await page.has_heard(talk(far, 3))
        page.send_signal(signal.SIGSTOP)
        await far.kill_link()
        await far.start_link()
        with far.out_of_reach(*REPLY_LANES):
            page.send_signal(signal.SIGCONT)
            await iopub_alone_is_back(far)
            await until(lambda: page.heard() == talk(far, 0), "it has heard all")
            page.send_signal(signal.SIGSTOP)
            everything = talk(far, 20, BIG)
            await far.all_delivered()
            await page.kill()
        again = await server_with(started, "r-page")
        await again.has_heard(everything)
        await far.all_taken()

    tell(story, short_folder)


def test_of_a_page_with_only_its_iopub_socket_back_nothing_is_lost_that_the_link_before_gave_it(
    short_folder: Path,
) -> None:
    async def story(far: Far, started: Started) -> None:
        page = await server_with(started, "r-page")
        await page.has_heard(talk(far, 3))
        await page.leave_unread()
        talk(far, 4)
        await far.all_delivered()
        page.send_signal(signal.SIGSTOP)
        await far.kill_link()
        await far.start_link()
        with far.out_of_reach(*REPLY_LANES):
            page.send_signal(signal.SIGCONT)
            await iopub_alone_is_back(far)
            await page.kill()
        again = await server_with(started, "r-page")
        await again.has_heard(talk(far, 5))
        await far.all_taken()

    tell(story, short_folder)


@pytest.mark.parametrize("name", ["page", "r-page"])
def test_a_page_that_comes_after_the_others_have_gone_on_lacks_nothing_and_hears_nothing_twice(
    short_folder: Path, name: str
) -> None:
    async def story(far: Far, started: Started) -> None:
        page, other = await server_with(started, name), await server_with(started, "other")
        await page.has_heard(talk(far, 3))
        await page.leave_unread()
        await other.has_heard(talk(far, 4))
        page.send_signal(signal.SIGSTOP)
        await far.kill_link()
        await far.start_link()
        await other.has_heard(talk(far, 5))
        page.send_signal(signal.SIGCONT)
        page.read_on()
        await page.has_heard(talk(far, 5))
        await other.has_heard(talk(far, 0))
        await far.all_taken()

    tell(story, short_folder)


def test_a_page_that_catches_up_when_link_and_server_are_killed_gets_the_rest(short_folder: Path) -> None:
    async def story(far: Far, started: Started) -> None:
        page, other = await server_with(started, "r-page"), await server_with(started, "other")
        await page.has_heard(talk(far, 3))
        await page.kill()
        await other.has_heard(talk(far, 100, BIG))
        await far.all_taken()
        page = await started("r-page")
        await page.leave_unread()
        page.send_signal(signal.SIGSTOP)
        await far.kill_link()
        await page.kill()
        await far.start_link()
        again = await server_with(started, "r-page")
        await again.has_heard(talk(far, 5))
        await other.has_heard(talk(far, 0))
        await far.all_taken()

    tell(story, short_folder)


def test_replies_that_come_again_are_not_taken_before_they_are_here(short_folder: Path) -> None:
    async def story(far: Far, started: Started) -> None:
        quick, slow = await server_with(started, "r-quick"), await server_with(started, "r-slow")
        await quick.leave_unread()
        await slow.leave_unread()
        reply(far, "r-quick")
        reply(far, "r-slow", 4)
        await far.all_delivered(Lane.SHELL)
        await far.kill_link()
        quick.read_on()
        await quick.has_heard(["1"], Lane.SHELL)
        await far.start_link()
        await far.all_delivered(Lane.SHELL)
        await far.kill_link()
        await slow.kill()
        await far.start_link()
        again = await server_with(started, "r-slow")
        await again.has_heard(words(2, 5), Lane.SHELL)
        await far.all_taken(Lane.SHELL)

    tell(story, short_folder)


@pytest.mark.parametrize("is_killed", [True, False])
def test_replies_that_were_parked_and_not_read_are_given_to_the_next_server_and_not_again_to_the_same(
    short_folder: Path, is_killed: bool
) -> None:
    async def story(far: Far, started: Started) -> None:
        page = await server_with(started, "r-page")
        await page.kill()
        await far.reports("away", 1)
        reply(far, "r-page", 5)
        await far.all_taken(Lane.SHELL)
        page = await started("r-page")
        await page.leave_unread()
        await until(lambda: bool(talk(far, 1)) and far.state.get("present") == 1, "it is back, and was given them")
        await far.kill_link()
        if is_killed:
            await page.kill()
        await far.start_link()
        if is_killed:
            page = await server_with(started, "r-page")
        page.read_on()
        await page.has_heard(reply(far, "r-page", 5), Lane.SHELL)
        await far.all_taken(Lane.SHELL)

    tell(story, short_folder)


@pytest.mark.parametrize("speaks_first", [True, False])
def test_replies_that_come_again_after_the_next_server_are_given_to_that(
    short_folder: Path, speaks_first: bool
) -> None:
    """They went to the server that was killed, and it gave no receipt."""

    async def story(far: Far, started: Started) -> None:
        page = await server_with(started, "r-page")
        await page.leave_unread()
        reply(far, "r-page", 5)
        await far.all_delivered(Lane.SHELL)
        await far.kill_link()
        await page.kill()
        far.hold_back(Lane.SHELL)
        await far.start_link()
        again = await started("r-page")
        if speaks_first:
            await again.speak()
        else:
            await far.reports("clients", 1)
        far.let_go(Lane.SHELL)
        await far.all_delivered(Lane.SHELL)
        await again.speak()
        await again.has_heard(reply(far, "r-page", 5), Lane.SHELL)
        await far.all_taken(Lane.SHELL)

    tell(story, short_folder)


def test_a_server_that_comes_before_the_next_link_does_not_hide_how_far_its_page_was(short_folder: Path) -> None:
    async def story(far: Far, started: Started) -> None:
        page = await server_with(started, "r-page")
        await page.has_heard(talk(far, 3))
        await page.leave_unread()
        talk(far, 4)
        replies = reply(far, "r-page", 4)
        for lane in (Lane.IOPUB, Lane.SHELL):
            await far.all_delivered(lane)
        await far.kill_link()
        await page.kill()
        again = await started("r-page")
        await until(lambda: has_receipts(far, again, "r-page"), "it has opened its receipts")
        await far.start_link()
        await again.speak()
        await again.has_heard(talk(far, 5))
        await again.has_heard(replies, Lane.SHELL)
        await far.all_taken()

    tell(story, short_folder)


def has_receipts(far: Far, client: Client, session: str) -> bool:
    receipts = Receipts.find(far.prefix, session.encode(), client.process)
    if receipts is not None:
        receipts.close()
    return receipts is not None


def test_a_page_whose_iopub_socket_waits_long_for_the_others_lacks_nothing(short_folder: Path) -> None:
    async def story(far: Far, started: Started) -> None:
        page, other = await server_with(started, "r-page"), await server_with(started, "other")
        await page.has_heard(talk(far, 3))
        await page.kill()
        await other.has_heard(talk(far, 5))
        with far.out_of_reach(*REPLY_LANES):
            again = await started("r-page")
            await until(lambda: bool(talk(far, 1)) and far.state.get("clients") == 2, "its iopub socket is there")
            await asyncio.sleep(2 * PAIRING_SECONDS)  # so long that one without a name would be nobody's
        await again.speak()
        await again.has_heard(talk(far, 5))
        await far.all_taken()

    tell(story, short_folder)


def test_a_page_is_told_what_is_lost_also_if_its_iopub_socket_is_the_last_to_come(short_folder: Path) -> None:
    async def story(far: Far, started: Started) -> None:
        page = await server_with(started, "m-page")
        talk(far, 60, BIG)
        await until(lambda: len(page.heard()) == 60, "it has read everything")
        await until(lambda: far.taken[Lane.IOPUB] > 0, "the first are let go")
        await page.kill()
        with far.out_of_reach(Lane.IOPUB):
            again = await server_with(started, "m-page")
        await until(lambda: len(again.heard()) > 61, "it is given the last again")
        assert again.heard()[60] == NOTICE

    tell(story, short_folder)
