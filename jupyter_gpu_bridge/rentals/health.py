"""How all clouds do that are set up, each asked once and at the same time; one that hangs costs its own row only."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from jupyter_gpu_bridge.errors import BadRequest, BridgeError
from jupyter_gpu_bridge.in_time import in_time
from jupyter_gpu_bridge.model import Health
from jupyter_gpu_bridge.naming import nearest
from jupyter_gpu_bridge.providers import health, settings
from jupyter_gpu_bridge.providers.clouds import Clouds, cloud_names, clouds_set_up
from jupyter_gpu_bridge.providers.gate import gates
from jupyter_gpu_bridge.providers.offers import remembered

_WITHIN = 10.0


async def examine(within: float = _WITHIN) -> Health:
    """`within`: seconds for each answer. Raises `BadRequest` for a setting that makes no sense."""
    names = await _names()
    clouds = Clouds()
    try:
        troubles = await asyncio.gather(*(_trouble(name, clouds, within) for name in names))
    finally:
        await clouds.close()
    return Health([health.of(name, trouble) for name, trouble in zip(names, troubles, strict=True)])


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


async def _trouble(name: str, clouds: Clouds, within: float) -> str:
    """Why it could not be asked; empty when it has answered."""
    try:
        await in_time(clouds.account(name), within)
    except asyncio.TimeoutError:
        return f"It has not answered within {within:g} s."
    except BridgeError as error:
        return error.what
    except Exception as error:  # code of others
        return f"Its adapter is broken ({type(error).__name__}: {error})."
    return ""
