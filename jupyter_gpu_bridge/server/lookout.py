"""A server that starts looks once after what is rented: whoever did so before may have died with the last one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from logging import Logger, LoggerAdapter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_gpu_bridge.bridge import Bridge

AFTER_S = 3.0
"""When pages and kernels that come with the start have been served."""


async def look_once(bridge: Callable[[], Bridge], log: Logger | LoggerAdapter[Any]) -> None:
    await asyncio.sleep(AFTER_S)
    try:
        found = await bridge().guard_if_needed()
    except Exception as error:  # whatever it is, the server is there for more than that
        log.warning("Rented machines could not be looked after: %s See: jupyter gpu guard", error)
        return
    if found is None:
        return
    if found.watched:
        log.info("Rentals that are looked after: %d.", len(found.watched))
    for text in (*(orphan.text for orphan in found.orphans), *found.troubles):
        log.warning("%s. See: jupyter gpu ls", text.rstrip("."))
