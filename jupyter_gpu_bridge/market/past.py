"""Writes down what somebody has just been offered, while he looks at it; nobody waits for that, and it harms nobody."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from functools import partial

from jupyter_gpu_bridge.model import Need, Offer

log = logging.getLogger(__name__)

_MOST = 64

_written: dict[str, Sequence[Offer]] = {}
"""The last answer of each provider, which many may have waited for."""


class Records:
    """Of one search: written at its end, when its rows have been shown."""

    def __init__(self) -> None:
        self._noted: list[Callable[[], str]] = []

    def note(self, provider: str, need: Need, offers: Sequence[Offer]) -> None:
        """Only of an answer that holds everything: of whatever is not in it, it is said that it could not be had."""
        if need.wide not in (Need(), Need(allows_spot=True)) or _written.get(provider) is offers:
            return
        _written[provider] = offers
        while len(_written) > _MOST:
            del _written[next(iter(_written))]
        now = datetime.now(timezone.utc)
        self._noted.append(partial(_write, provider, offers, now, with_spot=need.wide.allows_spot))

    async def write(self) -> None:
        noted, self._noted = self._noted, []
        for each in noted:
            if trouble := await asyncio.to_thread(each):
                log.info("%s", trouble)


def _write(provider: str, offers: Sequence[Offer], at: datetime, *, with_spot: bool) -> str:
    from jupyter_gpu_bridge.market.history import record

    return record(provider, offers, at, with_spot=with_spot)
