"""How all clouds do that are set up, each asked once and at the same time; one that hangs costs its own row only."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from jupyter_gpu_bridge.errors import (
    BadRequest,
    BridgeError,
    KeyForbidden,
    KeyMissing,
    KeyRefused,
    KeyUnfunded,
    KeyUnreadable,
)
from jupyter_gpu_bridge.in_time import in_time
from jupyter_gpu_bridge.model import Health, ProviderHealth
from jupyter_gpu_bridge.naming import nearest
from jupyter_gpu_bridge.providers import health, settings
from jupyter_gpu_bridge.providers.clouds import Clouds, cloud_names, clouds_set_up
from jupyter_gpu_bridge.providers.gate import gates
from jupyter_gpu_bridge.providers.offers import remembered

_WITHIN = 10.0

_OF_KEYS: Mapping[type[KeyRefused], str] = {
    KeyMissing: "no key",
    KeyUnreadable: "its key cannot be read",
    KeyForbidden: "its key has too few rights",
    KeyUnfunded: "its account has no money",
    KeyRefused: "its key is refused",
}
"""The first that it is one of."""


async def examine(within: float = _WITHIN) -> Health:
    """`within`: seconds for each answer. Raises `BadRequest` for a setting that makes no sense."""
    names = await _names()
    clouds = Clouds()
    try:
        return Health(await asyncio.gather(*(_asked(name, clouds, within) for name in names)))
    finally:
        await clouds.close()


async def seen() -> Health:
    """As `examine`, and nobody is asked: what there is to say about it already."""
    return Health([health.of(name) for name in await _names()])


def reset(name: str) -> None:
    """Raises `BadRequest` when there is no such provider."""
    _check(name)
    gates().reset(name)


def forget_offers(name: str = "") -> None:
    """Of one provider, or of all. Raises `BadRequest` when there is no such provider."""
    if name:
        _check(name)
    remembered().invalidate(name)


async def _names() -> Sequence[str]:
    names = await asyncio.to_thread(clouds_set_up)
    settings.check(names)
    return [name for name in names if settings.is_enabled(name)]


def _check(name: str) -> None:
    if name not in cloud_names():
        raise BadRequest(f"There is no provider {name!r}.", advice=nearest(name, cloud_names()))


async def _asked(name: str, clouds: Clouds, within: float) -> ProviderHealth:
    trouble = of_key = ""
    try:
        await in_time(clouds.account(name), within)
    except asyncio.TimeoutError:
        trouble = f"It has not answered within {within:g} s."
    except KeyRefused as error:
        trouble, of_key = error.what, next(words for kind, words in _OF_KEYS.items() if isinstance(error, kind))
    except BridgeError as error:
        trouble = error.what
    except Exception as error:  # code of others
        trouble = f"Its adapter is broken ({type(error).__name__}: {error})."
    return replace(health.of(name, trouble), key_trouble=of_key)
