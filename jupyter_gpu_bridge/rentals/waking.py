"""Every wish has its warden, which lives as long as there is something to do: whoever needs it sees to that."""

from __future__ import annotations

import asyncio
import contextlib

from jupyter_gpu_bridge.errors import LinkLost, VerbUnknown
from jupyter_gpu_bridge.in_time import in_time
from jupyter_gpu_bridge.machine.link import LinkClient, links
from jupyter_gpu_bridge.model import WishId
from jupyter_gpu_bridge.rentals.reach import machine_of_wish

_SUCCESSORS = 3
_WITHIN = 45.0
"""Seconds for a warden that hangs to be found out and ended, and for its successor to start on a busy computer."""


async def wake(wish_id: WishId) -> str:
    """See to it that its warden lives, and looks at its wish now. Raises `LinkLost`.

    One that hangs is ended and has a successor; a sentence about that.
    """
    try:
        return await in_time(_woken(wish_id), _WITHIN)
    except asyncio.TimeoutError:
        raise LinkLost(
            f"The warden of {wish_id[:8]} does not answer.", advice="`jupyter gpu guard` tries it again."
        ) from None


async def _woken(wish_id: WishId) -> str:
    replaced = ""
    for attempts_left in range(_SUCCESSORS, -1, -1):
        client = LinkClient(machine_of_wish(wish_id))
        try:
            await links().run(client.connect(start=True))
            with contextlib.suppress(VerbUnknown):  # one of an older version looks by itself, as all do
                await links().run(client.ask("look"))
            return replaced
        except LinkLost:  # it ended just then, or hangs
            is_ended = await client.end_hung()
            if not attempts_left or (client.hung is not None and not is_ended):
                raise
            if is_ended:
                replaced = f"The warden of {wish_id[:8]} (process {client.hung}) hung, and was replaced."
        finally:
            await links().run(client.close())
    raise AssertionError("unreachable")
