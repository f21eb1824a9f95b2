"""Writes down what somebody has just been offered, while he looks at it; nobody waits for that, and it harms nobody."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timezone

from jupyter_gpu_bridge.model import Need, Offer

log = logging.getLogger(__name__)

_MOST = 64

_written: dict[str, Sequence[Offer]] = {}
"""The last answer of each provider, which many may have waited for."""


class Records:
    """Of one search; has to be awaited at its end."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def note(self, provider: str, need: Need, offers: Sequence[Offer]) -> None:
        """Only of an answer that holds everything: of whatever is not in it, it is said that it could not be had."""
        if need.wide not in (Need(), Need(allows_spot=True)) or _written.get(provider) is offers:
            return
        _written[provider] = offers
        while len(_written) > _MOST:
            del _written[next(iter(_written))]
        self._tasks.append(asyncio.create_task(_write(provider, offers, with_spot=need.wide.allows_spot)))

    async def written(self) -> None:
        await asyncio.gather(*self._tasks)


async def _write(provider: str, offers: Sequence[Offer], *, with_spot: bool) -> None:
    from jupyter_gpu_bridge.market.history import record

    now = datetime.now(timezone.utc)
    if trouble := await asyncio.to_thread(lambda: record(provider, offers, now, with_spot=with_spot)):
        log.info("%s", trouble)
