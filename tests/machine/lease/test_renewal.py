"""The renewal alone, with an agent that answers what the test says, and a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from jupyter_gpu_bridge.errors import MachineUnfit
from jupyter_gpu_bridge.machine.lease import LeaseNews, Renewal
from jupyter_gpu_bridge.machine.lease.renewal import BootClock
from jupyter_gpu_bridge.machine.link.questions import CarrierLost
from tests.on_asyncio import anyio_backend, on_asyncio

__all__ = ["anyio_backend", "on_asyncio"]

pytestmark = pytest.mark.anyio

LEASE = 1200.0
NAME = "gpu-bridge-here"


class StandingClock:
    def __init__(self) -> None:
        self._now = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        if seconds > 0:
            woken = asyncio.get_running_loop().create_future()
            self._sleepers.append((self._now + seconds, woken))
            await woken

    async def advance(self, seconds: float) -> None:
        self._now += seconds
        for until, woken in self._sleepers:
            if until <= self._now and not woken.done():
                woken.set_result(None)
        await settle()


async def settle() -> None:
    """Everything that can go on has gone on."""
    for _ in range(50):
        await asyncio.sleep(0)


class Agent:
    """Notes when it was asked, and answers as a healthy one, or as it is told."""

    def __init__(self, clock: StandingClock) -> None:
        self.asked: list[float] = []
        self.questions: list[dict[str, Any]] = []
        self.answer: Callable[[dict[str, Any]], Any] = healthy
        self.hangs = False
        self._clock = clock

    async def ask(self, question: dict[str, Any]) -> Any:
        self.asked.append(self._clock.now())
        self.questions.append(question)
        if self.hangs:
            await asyncio.Event().wait()
        return self.answer(question)


def healthy(question: dict[str, Any]) -> dict[str, Any]:
    return {
        "left": question["seconds"],
        "deadline_left": 9999.0,
        "daemon_alive": True,
        "phase": "living",
        "serial": question["serial"],
        "name": NAME,
    }


def cut(question: dict[str, Any]) -> Any:
    raise CarrierLost


class World:
    def __init__(self) -> None:
        self.clock = StandingClock()
        self.agent = Agent(self.clock)
        self.told: list[LeaseNews] = []
        self.renewal = Renewal(self.agent.ask, LEASE, name=NAME, told=self.told.append, clock=self.clock)


@asynccontextmanager
async def renewing() -> AsyncIterator[World]:
    world = World()
    task = asyncio.ensure_future(world.renewal.run())
    await settle()
    try:
        yield world
    finally:
        task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError)
        await settle()
        assert len(asyncio.all_tasks()) == 1


async def test_it_renews_at_once_and_every_quarter_of_the_lease() -> None:
    async with renewing() as world:
        for _ in range(8):
            await world.clock.advance(LEASE / 8)
        assert world.agent.asked == [0, LEASE / 4, LEASE / 2, LEASE * 3 / 4, LEASE]
        assert all(question["do"] == "lease" for question in world.agent.questions)
        assert len({question["serial"] for question in world.agent.questions}) == 5
        assert [news.problem for news in world.told] == [""] * 5


async def test_it_renews_at_once_when_there_is_a_carrier_again() -> None:
    async with renewing() as world:
        await world.clock.advance(10)
        world.renewal.renew_now()
        await settle()
        assert world.agent.asked == [0, 10]
        await world.clock.advance(LEASE / 4)
        assert world.agent.asked == [0, 10, 10 + LEASE / 4]


async def test_what_has_failed_is_tried_again_sooner_and_said() -> None:
    async with renewing() as world:
        world.agent.answer = cut
        await world.clock.advance(LEASE / 4)
        assert world.told[-1] == LeaseNews(None, problem="The machine cannot be reached.")
        world.agent.answer = healthy
        await world.clock.advance(LEASE / 16)
        assert world.agent.asked == [0, LEASE / 4, LEASE / 4 + LEASE / 16]
        assert world.told[-1].problem == ""


async def test_a_machine_that_never_answers_is_asked_again() -> None:
    async with renewing() as world:
        world.agent.hangs = True
        await world.clock.advance(LEASE / 4)
        world.agent.hangs = False
        await world.clock.advance(LEASE / 4)
        assert [news.problem for news in world.told] == ["", "The machine does not answer.", ""]


async def test_a_reconnect_while_a_question_is_out_is_not_lost() -> None:
    async with renewing() as world:
        world.agent.hangs = True
        await world.clock.advance(LEASE / 4)
        world.renewal.renew_now()
        world.agent.hangs = False
        await world.clock.advance(LEASE / 4)
        assert world.agent.asked == [0, LEASE / 4, LEASE / 2]
        assert world.told[-1].problem == ""


async def test_what_is_left_counts_down_from_the_last_word_of_the_machine() -> None:
    async with renewing() as world:
        assert world.renewal.left == LEASE
        world.agent.answer = cut
        await world.clock.advance(700)
        assert world.renewal.left == LEASE - 700
        await world.clock.advance(700)
        assert world.renewal.left == 0.0


async def test_before_the_first_renewal_nothing_is_known() -> None:
    world = World()
    assert world.renewal.left is None
    assert world.renewal.news is None


async def test_another_length_counts_from_the_next_renewal_on() -> None:
    async with renewing() as world:
        world.renewal.seconds = 60.0
        world.renewal.renew_now()
        await settle()
        assert [question["seconds"] for question in world.agent.questions] == [LEASE, 60.0]
        await world.clock.advance(15)
        assert len(world.agent.asked) == 3


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"phase": "ending"}, "The machine is ending itself, since its lease has run out."),
        ({"daemon_alive": False}, "keeps its lease does not run"),
        ({"name": "gpu-bridge-elsewhere"}, "is not the one of this machine"),
        ({"name": None}, "is not the one of this machine"),
        ({"serial": "of another"}, "has not taken up the renewal"),
        ({"left": None}, "has not taken up the renewal"),
        ({"left": "long"}, "has not taken up the renewal"),
        ({"left": float("nan")}, "has not taken up the renewal"),
    ],
)
async def test_an_answer_that_is_no_renewal_is_said(answer: dict[str, Any], problem: str) -> None:
    async with renewing() as world:
        world.agent.answer = lambda question: {**healthy(question), **answer}
        world.renewal.renew_now()
        await settle()
        assert problem in world.told[-1].problem
        assert world.told[-1].is_ending == (answer.get("phase") == "ending")


@pytest.mark.parametrize("answer", [None, [], "yes", {}])
async def test_an_answer_that_makes_no_sense_does_no_harm(answer: object) -> None:
    async with renewing() as world:
        world.agent.answer = lambda question: answer
        world.renewal.renew_now()
        await settle()
        assert world.told[-1].problem


async def test_a_refusal_is_said_as_it_is() -> None:
    def refuse(question: dict[str, Any]) -> Any:
        raise MachineUnfit("This machine has no lease: it does not end by itself.")

    async with renewing() as world:
        world.agent.answer = refuse
        world.renewal.renew_now()
        await settle()
        assert world.told[-1].problem == "This machine has no lease: it does not end by itself."


async def test_the_usual_clock_goes_on() -> None:
    clock = BootClock()
    before = clock.now()
    await clock.sleep(0.05)
    assert clock.now() - before >= 0.05
