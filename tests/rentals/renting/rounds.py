"""What several do at once, a round of it again and again: double clicks, two servers, two ledgers.

Each story is entered once and then plays any number of rounds, which differ by their number. A round that goes wrong
raises, and one that returns has left nothing that is billed.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from jupyter_gpu_bridge.model import WishId
from jupyter_gpu_bridge.rentals.ledger import Ledger
from jupyter_gpu_bridge.rentals.reconcile import GRACE
from tests.kernels.home import Home
from tests.own_home import variables
from tests.rentals.renting.asker import Asker, Refused, Told, asker
from tests.rentals.renting.world import DEADLINE, RATE, Renting, until

Play = Callable[[int], Awaitable[None]]
Story = Callable[[Renting], AbstractAsyncContextManager[Play]]
Made = Callable[[], set[str]]
"""The names of all machines that were made in this round."""

_STAGES = ("searching", "renting", "booting", "connecting")


# double clicks -------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def double_clicks(world: Renting) -> AsyncIterator[Play]:
    """One process that asks for one thing several times: at the same moment, and again when it is half-way there."""

    async def play(number: int) -> None:
        with _nothing_left(world) as made:
            await asyncio.wait_for(_click(world, number, made), 2 * DEADLINE)
            _require_one_for_each_wish(made())

    yield play
    await _until_all_have_left(world, world.home)


async def _click(world: Renting, number: int, made: Made) -> None:
    is_there, told = _at(_STAGES[number % 4])

    async def click() -> tuple[WishId, str]:
        standing = await world.want(key=f"profile:click{number}")
        standing = await world.bridge.arrive(standing, lambda stage, text: told(stage))
        assert standing.rental is not None
        return standing.wish.wish_id, standing.rental.name

    async def click_later() -> tuple[WishId, str]:
        await is_there.wait()
        return await click()

    got = set(await asyncio.gather(*(click() for _ in range(2 + number % 3)), click_later(), click_later()))
    assert len(got) == 1, f"they got different machines: {got}"
    ((wish_id, name),) = got
    assert made() == {name}
    await world.bridge.end_rental(wish_id, "It was a test.")
    await world.until_over(wish_id)


# two servers ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def two_servers(world: Renting) -> AsyncIterator[Play]:
    """Two processes with one ledger that want the same at the same moment, and of which one may not live long."""
    async with asker() as ada, asker() as ben:

        async def play(number: int) -> None:
            await asyncio.gather(ada.be_there(), ben.be_there())
            with _nothing_left(world) as made:
                servers = _TwoServers(world, ada, ben, made, f"profile:server{number}", _STAGES[number // 5 % 4])
                courses = servers.courses()
                await asyncio.wait_for(courses[number % len(courses)](), 2 * DEADLINE)
                _require_one_for_each_wish(made())

        yield play
        await _until_all_have_left(world, world.home)


@dataclass(frozen=True, slots=True)
class _TwoServers:
    world: Renting
    ada: Asker
    ben: Asker
    made: Made
    key: str
    stage: str
    """At which something happens to one of them."""

    def courses(self) -> tuple[Callable[[], Awaitable[None]], ...]:
        return (
            self.both_live,
            self.one_is_killed,
            self.their_warden_is_killed,
            self.one_ends_it_as_the_other_asks,
            self.both_are_killed,
        )

    async def both_live(self) -> None:
        mine, others = await asyncio.gather(self.ada.ask("rent", self.key), self.ben.ask("rent", self.key))
        assert mine == others
        assert self.made() == {mine["name"]}
        await self.ben.ask("end", mine["wish"])
        await self.ada.ask("gone", mine["wish"])

    async def one_is_killed(self) -> None:
        is_there, told = _at(self.stage)
        mine, others = self.ada.ask("rent", self.key), self.ben.ask("rent", self.key, told=told)
        await is_there.wait()
        await self.ben.kill()
        await asyncio.gather(others, return_exceptions=True)
        got = await mine
        assert self.made() == {got["name"]}
        await self.ada.ask("end", got["wish"])
        await self.ada.ask("gone", got["wish"])

    async def their_warden_is_killed(self) -> None:
        is_there, told = _at(self.stage)
        asked = [self.ada.ask("rent", self.key, told=told), self.ben.ask("rent", self.key)]
        await is_there.wait()
        self.world.kill_wardens()
        mine, others = await asyncio.gather(*asked)
        assert mine == others
        assert self.made() == {mine["name"]}
        await self.ada.ask("end", mine["wish"])
        await self.ben.ask("gone", mine["wish"])

    async def one_ends_it_as_the_other_asks(self) -> None:
        """Who comes too late for the old machine is told so, or gets a new one."""
        first = await self.ada.ask("rent", self.key)
        ending, asking = self.ada.ask("end", first["wish"]), self.ben.ask("rent", self.key)
        assert (await ending)["was_open"]
        with suppress(Refused):
            second = await asking
            await self.ben.ask("end", second["wish"])
            await self.ben.ask("gone", second["wish"])
        await self.ada.ask("gone", first["wish"])

    async def both_are_killed(self) -> None:
        """While there is no machine that can be used: then nobody wants it, and nobody has to say so."""
        is_there, told = _at(self.stage if self.stage != "connecting" else "booting")
        self.world.cloud.fault("slow-boot", value=3600)
        asked = [each.ask("rent", self.key, told=told) for each in (self.ada, self.ben)]
        await is_there.wait()
        await asyncio.gather(self.ada.kill(), self.ben.kill())
        await asyncio.gather(*asked, return_exceptions=True)
        (wish,) = [each.wish for each in await self.world.bridge.rentals(ended=True) if each.wish.key == self.key]
        await self.world.until_over(wish.wish_id)
        self.world.cloud.mend()


# two ledgers ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def two_ledgers(world: Renting) -> AsyncIterator[Play]:
    """Two installations with one account, which rent, look and end at the same time, each its own machines."""
    with _another_home(world) as (home, environment):
        async with asker() as ada, asker(environment) as ben:
            one, other = _Installation(world.home, ada), _Installation(home, ben)

            async def play(number: int) -> None:
                first, second = (one, other) if number // 2 % 2 else (other, one)
                with _nothing_left(world) as made:
                    ledgers = _TwoLedgers(
                        world, first, second, made, f"profile:ledger{number}", _STAGES[number // 10 % 4]
                    )
                    course = {4: ledgers.one_is_lost, 9: ledgers.one_is_lost_on_the_way}.get(
                        number % 10, ledgers.both_end
                    )
                    await asyncio.wait_for(course(), 3 * DEADLINE)

            yield play
            await _until_all_have_left(world, world.home, home)


@dataclass(slots=True)
class _Installation:
    home: Home
    asker: Asker
    wish: str = ""
    name: str = ""

    async def rent(self, key: str) -> None:
        got = await self.asker.ask("rent", key)
        self.wish, self.name = got["wish"], got["name"]

    async def orphans(self) -> list[str]:
        """Those that its guard finds."""
        found = await self.asker.ask("guard")
        assert found["troubles"] == []
        names: list[str] = found["orphans"]
        return names

    async def end(self) -> None:
        await self.asker.ask("end", self.wish)
        await self.asker.ask("gone", self.wish)

    async def lose_ledger(self) -> None:
        """With whoever had asked; its wardens live, and know nothing any more."""
        for file in self.home.bridge.glob("ledger.db*"):
            file.unlink()
        await self.asker.kill()
        await self.asker.be_there()


@dataclass(frozen=True, slots=True)
class _TwoLedgers:
    world: Renting
    first: _Installation
    second: _Installation
    made: Made
    key: str
    stage: str

    async def both_end(self) -> None:
        await self._rent_both()
        _, *found = await asyncio.gather(self.first.end(), self.first.orphans(), self.second.orphans())
        assert found == [[], []]
        assert _billed(self.world) == {self.second.name}
        _, *found = await asyncio.gather(self.second.end(), self.first.orphans(), self.second.orphans())
        assert found == [[], []]

    async def one_is_lost(self) -> None:
        await self._rent_both()
        await self.first.lose_ledger()
        assert await self._look() == {self.first.name}
        assert _billed(self.world) == {self.first.name, self.second.name}
        await self._until_its_machine_is_ended()

    async def one_is_lost_on_the_way(self) -> None:
        """Whether there is a machine then depends on how far it was."""
        is_there, told = _at(self.stage)
        asked = self.first.asker.ask("rent", self.key, told=told)
        await asyncio.gather(is_there.wait(), self.second.rent(self.key))
        await self.first.lose_ledger()
        await asyncio.gather(asked, return_exceptions=True)
        await self._look()
        await until(lambda: not self.first.home.processes("rentals.warden"))
        assert await self._look() == self.made() - {self.second.name}
        await self._until_its_machine_is_ended()

    async def _rent_both(self) -> None:
        """Looked after by guards from the first moment on."""
        first, second = self.first, self.second
        renting = (first.rent(self.key), second.rent(self.key))
        _, _, *found = await asyncio.gather(*renting, first.orphans(), second.orphans())
        assert found == [[], []]
        assert self.made() == {first.name, second.name} == _billed(self.world)

    async def _look(self) -> set[str]:
        """What the first finds without an owner; the second, at the same time, finds nothing."""
        found, nothing = await asyncio.gather(self.first.orphans(), self.second.orphans())
        assert nothing == []
        return set(found)

    async def _until_its_machine_is_ended(self) -> None:
        await asyncio.sleep(GRACE.total_seconds() / RATE)
        await self._look()
        await until(lambda: _billed(self.world) == {self.second.name})
        await self.second.end()


@contextmanager
def _another_home(world: Renting) -> Iterator[tuple[Home, Mapping[str, str]]]:
    """Of another installation, which asks the same cloud; and the environment of its processes."""
    home = Home(Path(tempfile.mkdtemp(prefix="gk-", dir="/tmp")))
    try:
        environment = {**os.environ, **variables(home.folder)}
        (home.bridge / "sandbox").symlink_to(world.home.bridge / "sandbox")
        yield home, environment
    finally:
        home.clear()


# what is looked at in all of them ------------------------------------------------------------------------------------

STORIES: Mapping[str, Story] = {
    "double_clicks": double_clicks,
    "two_servers": two_servers,
    "two_ledgers": two_ledgers,
}


@contextmanager
def _nothing_left(world: Renting) -> Iterator[Made]:
    before = {each["name"] for each in world.cloud.machines()}

    def made() -> set[str]:
        return {each["name"] for each in world.cloud.machines()} - before

    yield made
    left = made() & _billed(world)
    assert not left, f"billed and not wanted: {left}"


def _require_one_for_each_wish(names: set[str]) -> None:
    with Ledger.open() as ledger:
        rentals = [ledger.by_name(name) for name in names]
    wishes = [rental.wish_id for rental in rentals if rental is not None]
    assert len(wishes) == len(names), "a machine that was not written down"
    assert len(wishes) == len(set(wishes)), "two machines for one wish"


async def _until_all_have_left(world: Renting, *homes: Home) -> None:
    await until(lambda: not any(home.processes("rentals.warden") for home in homes))
    sent = [each["name"] for each in world.cloud.log() if each["verb"] == "create"]
    assert len(sent) == len(set(sent)), "one request was sent twice"


def _billed(world: Renting) -> set[str]:
    return {each["name"] for each in world.billed()}


def _at(stage: str) -> tuple[asyncio.Event, Told]:
    """An event, and what sets it when it hears of this stage."""
    event = asyncio.Event()
    return event, lambda now: event.set() if now == stage else None
