"""The keys of accounts, as their owner sees them: which there are, whether one is good, and who else needs it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from jupyter_gpu_bridge import keys
from jupyter_gpu_bridge.errors import BadRequest, KeyBad, KeyForbidden, KeyRefused, KeyUnfunded
from jupyter_gpu_bridge.keys import Held, Key, KeyPlace, Removed, SourceKind, Stored
from jupyter_gpu_bridge.model import Account
from jupyter_gpu_bridge.naming import nearest
from jupyter_gpu_bridge.providers.clouds import Clouds, cloud_names


@dataclass(frozen=True, slots=True)
class Tested:
    """A key that its provider takes."""

    account: Account
    key: Key | None
    """`None` where the provider takes none."""


async def advice(provider: str) -> str:
    """Where a key is made. Raises `BadRequest`."""
    return (await asyncio.to_thread(_place, provider)).advice


async def every() -> Sequence[Held]:
    return await asyncio.to_thread(lambda: [keys.held(place) for place in keys.places()])


async def put(provider: str, text: str) -> Stored:
    """Raises `BadRequest`, `KeyUnreadable`."""
    return await asyncio.to_thread(lambda: keys.put(_place(provider), text))


async def remove(provider: str) -> Removed:
    """Raises `BadRequest`."""
    return await asyncio.to_thread(lambda: keys.remove(_place(provider)))


async def test(provider: str) -> Tested:
    """Whose it is, says its provider. Raises the kind of `KeyRefused` that it is, with the next step; or `Unclear`."""
    place = await asyncio.to_thread(keys.place_of, provider)
    if place is None and provider not in cloud_names():
        raise _unknown(provider)
    key = None if place is None else await keys.find(place)
    clouds = Clouds()
    try:
        return Tested(await clouds.account(provider), key)
    except KeyRefused as error:
        if place is None:
            raise
        raise type(error)(error.what, advice=_next_step(error, place, key), billing=error.billing) from None
    finally:
        await clouds.close()


async def known_to_us_alone(providers: Sequence[str] = ()) -> str:
    """Which of these keys, or of all, the guard will not have, since they are only in this environment; a sentence."""
    return await asyncio.to_thread(_known_to_us_alone, providers)


def _known_to_us_alone(providers: Sequence[str]) -> str:
    places = [place for place in keys.places() if not providers or place.provider in providers]
    alone = [place for place in places if keys.variable_of(place) is not None and not keys.is_stored(place)]
    if not alone:
        return ""
    named = " and ".join(place.provider for place in alone)
    subject = f"The key of {named} is" if len(alone) == 1 else f"The keys of {named} are"
    mend = " and ".join(place.how_to_set for place in alone)
    return (
        f"{subject} in this environment only: the guard, which the system runs, has no environment, and could end "
        f"no machine there. Mend: {mend}"
    )


def _place(provider: str) -> KeyPlace:
    """Raises `BadRequest`, or `ProviderMissing` for one that cannot be loaded to ask it."""
    place = keys.place_of(provider)
    if place is not None:
        return place
    if provider in cloud_names():
        Clouds().get(provider)
        raise BadRequest(f"The provider {provider!r} takes no key.", advice="It can be used as it is.")
    raise _unknown(provider)


def _unknown(provider: str) -> BadRequest:
    """Without the word, which may be a key in the wrong place."""
    known = {*(place.provider for place in keys.places()), *cloud_names()}
    return BadRequest("There is no provider of that name.", advice=nearest(provider, known))


def _next_step(error: KeyRefused, place: KeyPlace, key: Key | None) -> str:
    anew = f"{place.advice} Then: {place.how_to_set}"
    where = "" if key is None or key.source.kind is not SourceKind.VARIABLE else f", and take {key.source.name} away"
    if isinstance(error, KeyBad):
        return f"It is mistyped, revoked, or has run out. {anew}{where}"
    if isinstance(error, KeyForbidden):
        return f"It is good for reading at the most, or the account is restricted. {anew}{where}"
    if isinstance(error, KeyUnfunded):
        return f"The key is good, and its account has no money: pay some in at {place.provider}'s website."
    return error.advice or anew
