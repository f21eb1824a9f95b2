"""Is anybody there? A plain TCP connection to the nearest server of a route: far cheaper than a login, so it can be
tried often while a machine is away, and the login comes the moment it is back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from jupyter_gpu_bridge.machine.carriers.route import Hop

_PATIENCE = 2.0


async def answers(route: Sequence[Hop]) -> bool:
    """Whether the first server of the route takes connections; true when only dialling can tell."""
    nearest = route[0]
    if nearest.proxy_command is not None:
        return True
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(nearest.host, nearest.port), _PATIENCE)
    except (OSError, asyncio.TimeoutError):
        return False
    writer.close()
    return True
