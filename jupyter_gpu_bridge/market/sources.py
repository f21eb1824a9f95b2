"""Where offers come from: asked for now, or remembered from a moment ago."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from jupyter_gpu_bridge.durations import spoken
from jupyter_gpu_bridge.errors import BridgeError, CloudError, ProviderMissing
from jupyter_gpu_bridge.in_time import in_time
from jupyter_gpu_bridge.market.past import Records
from jupyter_gpu_bridge.model import Need, Offer
from jupyter_gpu_bridge.providers import settings
from jupyter_gpu_bridge.providers.clouds import Clouds, clouds_set_up
from jupyter_gpu_bridge.providers.offers import remembered


@dataclass(frozen=True, slots=True)
class Offered:
    """By one cloud."""

    offers: Sequence[Offer] = ()
    silent: str = ""
    """Why it did not answer, if it did not: one phrase; also where it is known what it offered before."""
    age: timedelta = timedelta()
    """Since it said so."""
    is_stale: bool = False


_PATIENCE = 120.0
"""Seconds after which nobody waits any longer, whatever an adapter does with them."""


class Source(Protocol):
    async def offers(self, name: str, need: Need) -> Offered:
        """Of that cloud; raises `CloudError`."""

    def older(self, name: str, need: Need) -> Offered | None:
        """What may be shown until it has answered, if `offers` has to wait for that."""


class Anew:
    """Each cloud is asked, for nobody rents at a price that is only remembered."""

    def __init__(self, clouds: Clouds) -> None:
        self._clouds = clouds

    async def offers(self, name: str, need: Need) -> Offered:
        cloud = self._clouds.get(name)
        return Offered(await remembered().anew(name, need, lambda: cloud.offers(need)))

    def older(self, name: str, need: Need) -> Offered | None:
        return None


class Browsed:
    """For those who only look: what was offered a moment ago, asked for once however many look for whatever.

    What is new is written down when they have seen it: `written`.
    """

    def __init__(self) -> None:
        self._records = Records()

    async def offers(self, name: str, need: Need) -> Offered:
        kept = await remembered().get(name, need.wide, lambda: self._asked(name, need.wide))
        age = timedelta(seconds=kept.age)
        if not kept.is_stale and not kept.age:
            self._records.note(name, need, kept.value)
        if not kept.is_stale:
            return Offered(kept.value, age=age)
        return Offered(kept.value, f"{name} does not answer now: {_as_of(age)}", age, is_stale=True)

    def older(self, name: str, need: Need) -> Offered | None:
        kept = remembered().older(name, need.wide)
        if kept is None:
            return None
        age = timedelta(seconds=kept.age)
        return Offered(kept.value, f"{name} has not answered yet: {_as_of(age)}", age, is_stale=True)

    async def written(self) -> None:
        await self._records.write()

    async def _asked(self, name: str, need: Need) -> Sequence[Offer]:
        """By connections of its own: whoever was the first to look may have gone."""
        clouds = Clouds()
        try:
            return await clouds.get(name).offers(need)
        finally:
            await clouds.close()


async def places_for(need: Need, clouds: Clouds) -> Sequence[str]:
    """Whom to ask: whoever is named, or all that are set up and switched on.

    Pretend offers are for those who ask for them: nobody who wants a GPU is given a pretence of one. Raises
    `BadRequest` for a setting that makes no sense.
    """
    named = dict.fromkeys((*need.providers, *(offer.partition(":")[0] for offer in need.offers)))
    names = list(named) or [name for name in await asyncio.to_thread(clouds_set_up) if _is_meant(name, clouds)]
    settings.check(names)
    return names


def before(name: str, need: Need, source: Source) -> Offered | None:
    """What it offered before, where it has to be waited for."""
    return source.older(name, need) if settings.is_enabled(name) else None


async def ask(name: str, need: Need, source: Source, within: float = _PATIENCE) -> Offered:
    """One provider's trouble is a phrase of its own.

    `within`: seconds after which the others go on without it, or with what it offered before.
    """
    if not settings.is_enabled(name):
        return Offered(silent=f"{name} is switched off ({settings.enabled(name).name})")
    try:
        return await in_time(source.offers(name, need), within)
    except asyncio.TimeoutError:
        silent, older = f"{name} has not answered within {within:g} s", source.older(name, need)
        if older is None:
            return Offered(silent=silent)
        return Offered(older.offers, f"{silent}: {_as_of(older.age)}", older.age, is_stale=True)
    except CloudError as error:
        return Offered(silent=f"{name} could not be asked: {error.what.rstrip('.')}")
    except BridgeError:
        raise
    except Exception as error:  # code of others
        return Offered(silent=f"{name} could not be asked: its adapter is broken ({type(error).__name__}: {error})")


def _as_of(age: timedelta) -> str:
    return f"what it offers is of {spoken(age)} ago"


def _is_meant(name: str, clouds: Clouds) -> bool:
    return settings.is_enabled(name) and not _is_pretend(name, clouds)


def _is_pretend(name: str, clouds: Clouds) -> bool:
    try:
        return clouds.get(name).traits.is_pretend
    except ProviderMissing:
        return False  # which is said when it is asked
