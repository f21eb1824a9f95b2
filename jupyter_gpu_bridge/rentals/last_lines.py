"""What a machine that cannot be used has written last: asked for once, as it is ended, and kept with what happened."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import cast

from jupyter_gpu_bridge import keys
from jupyter_gpu_bridge.errors import BridgeError
from jupyter_gpu_bridge.in_time import in_time
from jupyter_gpu_bridge.marks import reached
from jupyter_gpu_bridge.model import CONSOLE, Provider, Ref, Rental, TellsLog
from jupyter_gpu_bridge.rentals import key_pairs
from jupyter_gpu_bridge.rentals.book import Book
from jupyter_gpu_bridge.rentals.harmless import harmless

log = logging.getLogger(__name__)

WITHIN = 5.0
"""Seconds for all of it: meanwhile the machine is billed."""


class LastLines:
    """Of one machine that failed."""

    def __init__(self, cloud: Provider, book: Book) -> None:
        self._cloud = cloud
        self._book = book
        self.text = ""

    async def keep(self, rental: Rental) -> None:
        """While it is there. Never raises: whatever goes wrong here, what has to be done with the machine is done."""
        if rental.ref is None or not self._cloud.traits.tells_log:
            return
        try:
            await in_time(self._keep(rental, rental.ref), WITHIN)
        except Exception as error:  # code of others, and words of a machine: the end of it must come
            log.warning("%s: what it has written is not known: %s", rental.name, type(error).__name__)

    async def _keep(self, rental: Rental, ref: Ref) -> None:
        said = await cast("TellsLog", self._cloud).last_lines(ref)
        reached("console")
        self.text = harmless(said, await self._secrets(rental))
        if self.text:
            await self._book.note(rental, CONSOLE, self.text)

    async def _secrets(self, rental: Rental) -> Sequence[str]:
        """What it has to do with: the keys of its attempt, and that of its account."""
        secrets = [*key_pairs.private(rental.attempt_id)]
        place = keys.place_of(rental.provider)
        if place is not None:
            try:
                secrets.append((await keys.find(place)).reveal())
            except BridgeError:
                log.info("the key of %s is not there any more", rental.provider)
        return secrets
