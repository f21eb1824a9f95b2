"""What earlier rentals have taught: who sinks, and how soon a machine can be used. Read from the ledger, if any."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from jupyter_gpu_bridge import settings
from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.market import facts
from jupyter_gpu_bridge.model import Offer, Place, Reputation

log = logging.getLogger(__name__)

_KEPT_FOR = 10.0
"""Seconds; whoever looks at page after page need not have it read each time."""


@dataclass(frozen=True, slots=True, eq=False)
class Lessons:
    reputations: Mapping[Place, Reputation] = field(default_factory=dict)
    boot_times: Mapping[tuple[str, str], timedelta] = field(default_factory=dict)

    def trouble(self, offer: Offer) -> float:
        """More than nothing for whoever comes after all others."""
        known = self.reputations.get(Place.of(offer)) if self.reputations else None
        return float(known is not None and known.sinks)

    def boot(self, offer: Offer) -> float:
        """Seconds, where it is known."""
        took = self.boot_times.get((offer.provider, offer.gpu))
        return facts.UNKNOWN if took is None else took.total_seconds()

    def warning(self, offer: Offer) -> str:
        """Why it sinks; empty when it does not."""
        known = self.reputations.get(Place.of(offer))
        return known.phrase if known is not None and known.sinks else ""


NOTHING = Lessons()


def learned(providers: Collection[str]) -> Lessons:
    """Waits for the disk. What cannot be read teaches nothing: it only changes an order."""
    if not settings.has_ledger():
        return NOTHING
    key = (settings.ledger_name(), *sorted(providers))
    with _reading:
        at, lessons = _read.get(key, (-_KEPT_FOR, NOTHING))
        if time.monotonic() - at >= _KEPT_FOR:
            lessons = _learn(providers)
            _read.clear()
            _read[key] = time.monotonic(), lessons
    return lessons


def _learn(providers: Collection[str]) -> Lessons:
    from jupyter_gpu_bridge.db import open_database
    from jupyter_gpu_bridge.market.experience import Experience

    try:
        database, _ = open_database(patience=1)
        with contextlib.closing(database):
            experience = Experience(database)
            now = datetime.now(timezone.utc)
            return Lessons(experience.reputations(providers, now), experience.boot_times(providers))
    except (BridgeError, OSError) as error:
        log.info("What became of earlier rentals cannot be read now: %s", error)
        return NOTHING


_reading = threading.Lock()
_read: dict[tuple[str, ...], tuple[float, Lessons]] = {}
