"""A server looks after what is rented: whoever did so before may have died with the last one, or may die any time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from logging import INFO, WARNING, Logger, LoggerAdapter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_gpu_bridge.bridge import Bridge
    from jupyter_gpu_bridge.rentals.guard import Round

AFTER_S = 3.0
"""When pages and kernels that come with the start have been served."""
EVERY_S = 300.0


async def look_after(bridge: Callable[[], Bridge], log: Logger | LoggerAdapter[Any]) -> None:
    """Soon after the start, and then every few minutes as long as something is rented, or may be brought back."""
    await asyncio.sleep(AFTER_S)
    may_be_rented, said = True, set[str]()
    while True:
        try:
            if may_be_rented or await bridge().rentals_lately() or await bridge().may_return():
                found = await bridge().guard_if_needed()
                may_be_rented = found is not None and bool(found.orphans or found.troubles)
                said = _say(found, said, log)
        except Exception as error:  # whatever it is, the server is there for more than that
            log.warning("Rented machines could not be looked after: %s See: jupyter gpu guard", error)
        await asyncio.sleep(EVERY_S)


def _say(found: Round | None, said: set[str], log: Logger | LoggerAdapter[Any]) -> set[str]:
    """Whatever was not said of the last round already; what there was to be said of this one."""
    texts: dict[str, int] = {}
    if found is not None and found.watched:
        texts[f"Rentals that are looked after: {len(found.watched)}."] = INFO
    if found is not None:
        for text in (*(orphan.text for orphan in found.orphans), *found.troubles):
            texts[f"{text.rstrip('.')}. See: jupyter gpu ls"] = WARNING
    for text, level in texts.items():
        if text not in said:
            log.log(level, "%s", text)
    return set(texts)
