"""Whose turn it is, in virtual time: never more than is allowed, in order, and nobody waits for one who has gone."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_gpu_bridge.providers.limiter import Limiter, TooLong
from jupyter_gpu_bridge.providers.setting import Rate
from tests.virtual_time import VirtualLoop, in_virtual_time

_SOON = 0.01
"""Nobody is woken more exactly than that."""


def limiter(loop: VirtualLoop, rate: Rate | None) -> Limiter:
    return Limiter(lambda: rate, loop.time)


def test_what_was_not_used_may_go_at_once_and_then_it_is_one_after_another() -> None:
    loop = VirtualLoop()
    one = limiter(loop, Rate(5))
    sent: list[float] = []

    async def send() -> None:
        await one.turn(60)
        sent.append(round(loop.time() - 1000, 2))

    async def all_at_once() -> None:
        await asyncio.gather(*(send() for _ in range(8)))

    in_virtual_time(all_at_once(), loop)
    assert sent == pytest.approx([0, 0, 0, 0, 0, 0.2, 0.4, 0.6], abs=_SOON)


@pytest.mark.parametrize(("said", "gap"), [("60/min", 1.0), ("1/s", 1.0), ("6/min", 10.0), ("1800/h", 2.0)])
def test_a_slow_rate_lets_no_more_than_one_go_at_once(said: str, gap: float) -> None:
    loop = VirtualLoop()
    one = limiter(loop, Rate.parse(said))
    sent: list[float] = []

    async def send() -> None:
        for _ in range(3):
            await one.turn(60)
            sent.append(loop.time() - 1000)

    in_virtual_time(send(), loop)
    assert sent == pytest.approx([0, gap, 2 * gap], abs=_SOON)


@settings(max_examples=60, deadline=None)
@given(
    rate=st.sampled_from([Rate(1), Rate(3), Rate(10), Rate(30, 60)]),
    calls=st.lists(st.tuples(st.floats(0, 5), st.none() | st.floats(0, 3)), min_size=1, max_size=30),
    pauses=st.lists(st.tuples(st.floats(0, 5), st.floats(0, 5)), max_size=2),
)
def test_in_no_time_is_more_sent_than_is_allowed_whoever_comes_and_goes(
    rate: Rate, calls: list[tuple[float, float | None]], pauses: list[tuple[float, float]]
) -> None:
    loop = VirtualLoop()
    one = limiter(loop, rate)
    sent: list[tuple[float, int]] = []
    quiet: list[tuple[float, float]] = []

    async def send(number: int, comes: float, patience: float | None) -> None:
        await asyncio.sleep(comes)
        turn = asyncio.ensure_future(one.turn(1e6))
        if patience is None:
            await turn
        else:
            await asyncio.wait([turn], timeout=patience)
            if not turn.done():
                turn.cancel()
                await asyncio.wait([turn])
                return
        sent.append((loop.time(), number))

    async def pause(when: float, seconds: float) -> None:
        await asyncio.sleep(when)
        one.pause(seconds)
        quiet.append((loop.time(), loop.time() + seconds))

    async def everything() -> None:
        await asyncio.gather(
            *(send(number, *each) for number, each in enumerate(calls)), *(pause(*each) for each in pauses)
        )

    in_virtual_time(everything(), loop)
    assert one.blocked == 0
    moments = [moment for moment, _ in sent]
    for first in range(len(moments)):
        for last in range(first, len(moments)):
            allowed = rate.capacity + rate.per_second * (moments[last] - moments[first]) + 1e-6
            assert last - first + 1 <= allowed
    assert not any(since < moment < until - 1e-9 for moment in moments for since, until in quiet)


def test_they_go_in_the_order_in_which_they_came() -> None:
    loop = VirtualLoop()
    one = limiter(loop, Rate(2))
    sent: list[int] = []

    async def send(number: int) -> None:
        await asyncio.sleep(number / 100)
        await one.turn(60)
        sent.append(number)

    async def all_of_them() -> None:
        await asyncio.gather(*(send(number) for number in range(12)))

    in_virtual_time(all_of_them(), loop)
    assert sent == list(range(12))


def test_who_gives_up_lets_those_behind_go_earlier() -> None:
    loop = VirtualLoop()
    one = limiter(loop, Rate(1))

    async def story() -> float:
        await one.turn(60)
        before = [asyncio.ensure_future(one.turn(60)) for _ in range(5)]
        await asyncio.sleep(0)
        for each in before:
            each.cancel()
        await asyncio.wait(before)
        start = loop.time()
        await one.turn(60)
        return loop.time() - start

    assert in_virtual_time(story(), loop) == pytest.approx(1.0, abs=_SOON)


def test_a_turn_that_is_not_in_time_is_refused_at_once_and_takes_nothing() -> None:
    loop = VirtualLoop()
    one = limiter(loop, Rate(1, 60))

    async def story() -> None:
        await one.turn(10)
        with pytest.raises(TooLong) as caught:
            await one.turn(10)
        assert caught.value.seconds == pytest.approx(60)
        assert loop.time() == 1000
        await one.turn(61)

    in_virtual_time(story(), loop)


def test_a_pause_keeps_all_waiting_however_many_tokens_there_are_and_ends() -> None:
    loop = VirtualLoop()
    one = limiter(loop, Rate(10))

    async def story() -> None:
        one.pause(7)
        one.pause(3)
        assert one.paused_for == 7
        await one.turn(10)
        assert loop.time() == pytest.approx(1007, abs=_SOON)
        one.pause(1e12)
        assert one.paused_for == 3600
        one.reset()
        await one.turn(0)

    in_virtual_time(story(), loop)


def test_what_passes_by_waits_for_nothing_and_is_paid_by_those_behind_it() -> None:
    loop = VirtualLoop()
    one = limiter(loop, Rate(1))

    async def story() -> float:
        for _ in range(4):
            one.pass_by()
        await one.turn(60)
        return loop.time() - 1000

    assert in_virtual_time(story(), loop) == pytest.approx(4.0, abs=_SOON)


def test_without_a_rate_everything_passes_but_in_a_pause() -> None:
    loop = VirtualLoop()
    one = limiter(loop, None)

    async def story() -> None:
        for _ in range(1000):
            await one.turn(0)
        assert loop.time() == 1000
        one.pause(60)
        with pytest.raises(TooLong):
            await one.turn(59)
        assert loop.time() == 1000
        await asyncio.gather(*(one.turn(61) for _ in range(3)))
        assert loop.time() == pytest.approx(1060, abs=_SOON)

    in_virtual_time(story(), loop)


def test_two_event_loops_share_one_bucket() -> None:
    one = Limiter(lambda: Rate(2, 60))
    asyncio.run(one.turn(0))
    with pytest.raises(TooLong):
        asyncio.run(one.turn(0))


def test_somebody_who_sets_the_clock_of_the_computer_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Limiter(lambda: Rate(1, 3600))
    asyncio.run(one.turn(0))
    monkeypatch.setattr(time, "time", lambda: 1e10)
    with pytest.raises(TooLong):
        asyncio.run(one.turn(10))
    one.pause(100)
    monkeypatch.setattr(time, "time", lambda: 2e10)
    assert one.paused_for > 90
