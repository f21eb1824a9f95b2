"""What is remembered, in virtual time: for how long, for whom it is asked, and what becomes of those who give up."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_gpu_bridge.errors import KeyRefused, Unclear
from jupyter_gpu_bridge.providers.cache import AdaptiveCache, CacheRules
from tests.virtual_time import VirtualLoop, in_virtual_time

KEY = ("acme", "need")


@dataclass
class Cloud:
    """Answers after a while with what it has then, or with an error."""

    takes: float = 1.0
    offers: str = "offers"
    error: Exception | None = None
    asked: int = 0
    given_up: int = 0

    async def __call__(self) -> str:
        self.asked += 1
        try:
            await asyncio.sleep(self.takes)
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        if self.error is not None:
            raise self.error
        return self.offers


@dataclass
class Setting:
    loop: VirtualLoop = field(default_factory=VirtualLoop)
    rules: CacheRules = field(default_factory=CacheRules)
    chance: float = 0.0
    size: int = 64
    cloud: Cloud = field(default_factory=Cloud)

    def __post_init__(self) -> None:
        self.cache: AdaptiveCache[str] = AdaptiveCache(
            lambda: self.rules, clock=self.loop.time, chance=lambda: self.chance, size=self.size
        )

    async def look(self) -> str:
        return (await self.cache.get(KEY, self.cloud)).value


# single flight -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [None, Unclear("down")])
def test_a_hundred_who_look_at_once_ask_once_and_all_are_answered_alike(error: Exception | None) -> None:
    here = Setting(cloud=Cloud(error=error))

    async def story() -> None:
        found = await asyncio.gather(*(here.look() for _ in range(100)), return_exceptions=True)
        assert found == [error or "offers"] * 100
        assert here.cloud.asked == 1

    in_virtual_time(story(), here.loop)


@settings(max_examples=60, deadline=None)
@given(waits=st.lists(st.none() | st.floats(0, 3), min_size=1, max_size=12), takes=st.floats(0.1, 2))
def test_who_gives_up_takes_nothing_from_the_others_and_the_last_one_ends_the_call(
    waits: list[float | None], takes: float
) -> None:
    here = Setting(cloud=Cloud(takes=takes))

    async def look(patience: float | None) -> str:
        if patience is None:
            return await here.look()
        looking = asyncio.ensure_future(here.look())
        await asyncio.wait([looking], timeout=patience)
        looking.cancel()
        try:
            return await looking
        except asyncio.CancelledError:
            return "gave up"

    async def story() -> list[str]:
        return await asyncio.gather(*(look(each) for each in waits))

    found = in_virtual_time(story(), here.loop)
    assert here.cloud.asked == 1
    longest = max((takes + 1 if each is None else each) for each in waits)
    if longest < takes:
        assert (here.cloud.given_up, set(found)) == (1, {"gave up"})
    for patience, answer in zip(waits, found, strict=True):
        if patience is None or patience > takes:
            assert answer == "offers"


def test_after_all_have_given_up_the_next_one_asks_anew() -> None:
    here = Setting()

    async def story() -> None:
        looking = asyncio.ensure_future(here.look())
        await asyncio.sleep(0.5)
        looking.cancel()
        await asyncio.wait([looking])
        assert looking.cancelled()
        assert await here.look() == "offers"
        assert (here.cloud.asked, here.cloud.given_up) == (2, 1)

    in_virtual_time(story(), here.loop)


def test_each_need_and_each_provider_is_asked_for_itself() -> None:
    here = Setting()

    async def story() -> None:
        keys = [(provider, need) for provider in ("acme", "other") for need in ("a", "b")]
        await asyncio.gather(*(here.cache.get(key, here.cloud) for key in keys * 3))
        assert here.cloud.asked == 4
        assert (here.cache.figures("acme").hits, here.cache.figures("acme").misses) == (4, 2)

    in_virtual_time(story(), here.loop)


# how long ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "seconds"),
    [(1.0, 120), (0.91, 120), (0.9, 45), (0.7, 45), (0.69, 30), (0.5, 30), (0.49, 10), (0.0, 10)],
)
def test_the_time_follows_from_how_many_calls_went_well(rate: float, seconds: float) -> None:
    assert CacheRules().ttl(rate, 120) == seconds


@given(
    rate=st.floats(0, 1),
    steady=st.floats(0, 1e6),
    bounds=st.tuples(st.floats(0, 1000), st.floats(0, 1000)).map(sorted),
)
def test_the_time_is_always_within_its_bounds(rate: float, steady: float, bounds: list[float]) -> None:
    assert bounds[0] <= CacheRules(least=bounds[0], most=bounds[1]).ttl(rate, steady) <= bounds[1]


def test_while_answers_stay_the_same_it_grows_to_the_maximum_and_a_change_takes_it_back() -> None:
    here = Setting()

    async def lasts() -> float:
        """Seconds until somebody has to ask again."""
        await here.look()
        since, asked = here.loop.time(), here.cloud.asked
        while here.cloud.asked == asked:
            await asyncio.sleep(0.5)
            await here.look()
        return here.loop.time() - here.cloud.takes - since

    async def story() -> None:
        grown = [await lasts() for _ in range(8)]
        assert grown == pytest.approx([30, 45, 67.5, 101.25, 151.9, 227.8, 300, 300], abs=1)
        here.cloud.offers = "others"
        assert await lasts() == pytest.approx(300, abs=1)  # it was not known until then
        assert await lasts() == pytest.approx(30 * 1.5, abs=16)

    in_virtual_time(story(), here.loop)


@given(chance=st.floats(0, 1))
def test_chance_makes_it_a_little_shorter_and_never_longer(chance: float) -> None:
    here = Setting(chance=chance)

    async def story() -> None:
        await here.look()
        await asyncio.sleep(26.9)
        await here.look()
        assert here.cloud.asked == 1
        await asyncio.sleep(3.2)
        await here.look()
        assert here.cloud.asked == 2

    in_virtual_time(story(), here.loop)


def test_somebody_who_sets_the_clock_of_the_computer_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Cloud(takes=0)
    cache: AdaptiveCache[str] = AdaptiveCache()
    asyncio.run(cache.get(KEY, cloud))
    for moment in (0.0, 1e10):
        monkeypatch.setattr(time, "time", lambda moment=moment: moment)
        kept = asyncio.run(cache.get(KEY, cloud))
        assert kept.age < 5
    assert cloud.asked == 1


# what is stale -----------------------------------------------------------------------------------------------------


def test_a_provider_that_is_down_is_shown_as_it_was_with_its_age_and_not_asked_by_each_who_looks() -> None:
    here = Setting()

    async def story() -> None:
        await here.look()
        await asyncio.sleep(100)
        here.cloud.error = Unclear("down")
        kept = await here.cache.get(KEY, here.cloud)
        assert (kept.value, kept.is_stale) == ("offers", True)
        assert kept.age == pytest.approx(101)
        again = await here.cache.get(KEY, here.cloud)
        assert (again.is_stale, here.cloud.asked) == (True, 2)
        await asyncio.sleep(11)
        here.cloud.error = None
        assert not (await here.cache.get(KEY, here.cloud)).is_stale
        await asyncio.sleep(4000)
        here.cloud.error = Unclear("down")
        with pytest.raises(Unclear):
            await here.look()

    in_virtual_time(story(), here.loop)


def test_a_key_that_is_not_taken_is_said_whatever_is_remembered() -> None:
    here = Setting()

    async def story() -> None:
        await here.look()
        await asyncio.sleep(100)
        here.cloud.error = KeyRefused("revoked")
        with pytest.raises(KeyRefused):
            await here.look()

    in_virtual_time(story(), here.loop)


# what is forgotten -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("forgotten", "asked"), [("", {"acme": 2, "other": 2}), ("acme", {"acme": 2, "other": 1})])
def test_one_provider_is_forgotten_or_all(forgotten: str, asked: dict[str, int]) -> None:
    here = Setting()
    clouds: defaultdict[str, Cloud] = defaultdict(Cloud)

    async def story() -> None:
        for _ in range(2):
            for provider in ("acme", "other"):
                await here.cache.get((provider, "need"), clouds[provider])
            here.cache.invalidate(forgotten)

    in_virtual_time(story(), here.loop)
    assert {provider: cloud.asked for provider, cloud in clouds.items()} == asked


def test_an_answer_that_was_on_its_way_when_everything_was_forgotten_is_not_remembered() -> None:
    here = Setting()

    async def story() -> None:
        early = asyncio.ensure_future(here.look())
        await asyncio.sleep(0.5)
        here.cache.invalidate("acme")
        here.cloud.offers = "what is left"
        late = asyncio.ensure_future(here.look())
        assert await early
        assert await late == "what is left"
        assert await here.look() == "what is left"
        assert here.cloud.asked == 2

    in_virtual_time(story(), here.loop)


def test_only_so_many_are_kept_and_those_that_were_looked_at_last() -> None:
    here = Setting(size=3)

    async def story() -> None:
        for need in (1, 2, 3, 1, 4):
            await here.cache.get(("acme", need), here.cloud)
        assert here.cache.entries("acme") == 3
        await here.cache.get(("acme", 1), here.cloud)
        assert here.cloud.asked == 4
        await here.cache.get(("acme", 2), here.cloud)
        assert here.cloud.asked == 5

    in_virtual_time(story(), here.loop)


def test_switched_off_it_asks_each_time() -> None:
    here = Setting(rules=CacheRules(is_on=False))

    async def story() -> None:
        await asyncio.gather(here.look(), here.look())
        assert here.cloud.asked == 2

    in_virtual_time(story(), here.loop)


def test_what_is_answered_to_others_is_remembered() -> None:
    here = Setting()

    async def story() -> None:
        here.cache.put(KEY, "just seen")
        assert await here.look() == "just seen"
        assert here.cloud.asked == 0

    in_virtual_time(story(), here.loop)
