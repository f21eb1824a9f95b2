from __future__ import annotations

import asyncio

from jupyter_gpu_bridge.agent.gathering import GAP, MOST_WAITING, Gathering


class Outputs:
    """Notes how much had been added each time that something was passed on."""

    def __init__(self) -> None:
        self.gathering = Gathering(self._wake)
        self.passed_on: list[int] = []
        self.count = 0

    def say(self, size: int = 100) -> None:
        self.count += 1
        self.gathering.add(size)
        self.gathering.pass_on()

    def _wake(self) -> None:
        self.passed_on.append(self.count)


async def _a_while() -> None:
    await asyncio.sleep(20 * GAP)


def test_the_first_after_a_pause_goes_at_once_and_those_right_behind_it_together() -> None:
    async def live() -> None:
        outputs = Outputs()
        for _ in range(5):
            outputs.say()
        assert outputs.passed_on == [1]
        await _a_while()
        assert outputs.passed_on == [1, 5]
        outputs.say()
        assert outputs.passed_on == [1, 5, 6]

    asyncio.run(live())


def test_much_does_not_wait() -> None:
    async def live() -> None:
        outputs = Outputs()
        outputs.say()
        outputs.say(MOST_WAITING)
        assert outputs.passed_on == [1, 2]

    asyncio.run(live())


def test_a_reply_takes_along_what_waits_and_the_idle_behind_it_does_not_wait() -> None:
    async def live() -> None:
        outputs = Outputs()
        outputs.say()
        outputs.say()
        outputs.gathering.hurry()
        assert outputs.passed_on == [1, 2]
        outputs.say()
        assert outputs.passed_on == [1, 2, 3]
        await _a_while()
        assert outputs.passed_on == [1, 2, 3]

    asyncio.run(live())
