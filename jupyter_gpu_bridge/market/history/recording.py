"""Writing down what was offered, whenever somebody has asked: a by-product, by which nothing ever fails."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from datetime import datetime

from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.market.history.snapshot import snapshot
from jupyter_gpu_bridge.model import Offer

_PATIENCE = 2
"""Seconds to wait for others who write. What is not written now is written when somebody asks again."""


def record(provider: str, offers: Iterable[Offer], at: datetime, *, with_spot: bool = True) -> str:
    """Called in a thread, with all that a provider offers at that time: a model that is not among it is not to be had.

    `with_spot`: whether it was asked for that as well; of what was not asked for nothing is claimed.
    Why it could not be kept, as a sentence; empty when all is well. The offers of a pretend cloud are written down as
    well, and shown only to those who ask for that cloud.
    """
    from jupyter_gpu_bridge.db import open_market
    from jupyter_gpu_bridge.market.history.store import Store

    try:
        with contextlib.closing(open_market(_PATIENCE)) as database:
            Store(database).write(provider, snapshot(offers), at, with_spot=with_spot)
    except (BridgeError, OSError) as error:
        return f"The prices of {provider} could not be kept: {error}"
    return ""
