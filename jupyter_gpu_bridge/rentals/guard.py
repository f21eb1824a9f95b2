"""Looks after everything that is rented, whoever rented it and whether or not that process still lives. Runs for a
moment, and is to be run every few minutes by the system, for the notebook server is the thing that crashes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from jupyter_gpu_bridge.errors import BridgeError, ProviderMissing
from jupyter_gpu_bridge.marks import reached
from jupyter_gpu_bridge.model import Rental, Seen
from jupyter_gpu_bridge.providers.clouds import Clouds, clouds_set_up
from jupyter_gpu_bridge.rentals.book import Book
from jupyter_gpu_bridge.rentals.clock import Trust
from jupyter_gpu_bridge.rentals.installation import former_ids
from jupyter_gpu_bridge.rentals.ledger import Ledger
from jupyter_gpu_bridge.rentals.orders import Orders
from jupyter_gpu_bridge.rentals.reconcile import Orphan, compare
from jupyter_gpu_bridge.rentals.standing import Standing
from jupyter_gpu_bridge.rentals.waking import wake

log = logging.getLogger(__name__)

OVERDUE_AFTER = timedelta(minutes=15)
"""So long the installation that has rented a machine is given to end it, past the time at which it had to."""

_AT_ONCE = 8
"""So many wardens are woken at the same time: one that hangs holds up none, and no computer has to start a hundred."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one look has found."""

    watched: Sequence[Standing]
    """Whose wardens live now."""
    orphans: Sequence[Orphan]
    troubles: Sequence[str]


async def look(orders: Orders, book: Book) -> Round:
    """Every account is compared with the ledger, and every wish that is not over has a warden afterwards."""
    orphans, troubles = await _compare_all(book)
    reached("compared")
    watched = []
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def watch(standing: Standing) -> None:
        wish_id = standing.wish.wish_id
        async with at_once:
            try:
                replaced = await wake(wish_id)
            except (BridgeError, OSError) as error:
                troubles.append(f"{wish_id[:8]} has nobody who looks after it: {error}")
                return
        watched.append(standing)
        if replaced:
            troubles.append(replaced)

    await _close_overdue(await orders.all(), book, troubles)
    # What is elsewhere, of a team's ledger: whoever has asked has the keys.
    await asyncio.gather(*(watch(standing) for standing in await orders.all() if not standing.is_elsewhere))
    return Round(watched, orphans, troubles)


async def _close_overdue(standings: Sequence[Standing], book: Book, troubles: list[str]) -> None:
    """Whoever has rented one elsewhere may be switched off or lost, with everything that was to end it in time."""
    for standing in standings:
        wish, rental, now = standing.wish, standing.rental, book.clock.now()
        if rental is None or not rental.state.is_live or not standing.is_elsewhere or book.clock.trust is Trust.NONE:
            continue
        if now - _ends(rental) < OVERDUE_AFTER or wish.installation in former_ids():
            continue
        whose = f"{rental.name}, rented elsewhere by {wish.asked_by or 'somebody'} for {rental.price} per hour"
        try:
            await book.close_wish(wish.wish_id, "It was past its end, and whoever had rented it had not ended it.")
            reached("overdue")
            troubles.append(f"{whose}, was past its end: it is ended from here, if the key of its account is here.")
        except BridgeError as error:
            troubles.append(f"{whose}, is past its end, and could not be closed: {error}")


def _ends(rental: Rental) -> datetime:
    """When it was to end at the latest; of its budget as it is used up when nobody counts any more."""
    counted = rental.accrued_until or rental.created
    if rental.cap is None or counted is None:
        return rental.deadline
    return counted + min(rental.deadline - counted, (rental.cap - rental.accrued).lasts(rental.price))


def _missing(rental: Rental) -> str:
    return (
        f"{rental.name} is rented, and {rental.provider} does not list it: its warden finds out whether it has ended."
    )


def _left_alone(provider: str, seen: Seen) -> str:
    return (
        f"{seen.name} runs at {provider}, and was rented by the installation that this folder was copied from. It is "
        f"left to that one; if that is gone, end it: jupyter gpu orphans --end {seen.name}"
    )


async def _compare_all(book: Book) -> tuple[list[Orphan], list[str]]:
    """A provider that was used up and taken away is no trouble; one that may still bill us and is silent is."""
    rentals = await book.read(Ledger.rentals, live_only=False)
    used = {rental.provider for rental in rentals}
    live = [rental for rental in rentals if rental.state.is_live]
    orphans: list[Orphan] = []
    troubles: list[str] = []
    clouds = Clouds()
    try:
        for provider in sorted({*used, *await asyncio.to_thread(clouds_set_up)}):
            try:
                found = await compare(provider, book, clouds)
                orphans += found.orphans
                troubles += [_missing(each) for each in found.missing]
                troubles += [_left_alone(provider, each) for each in found.elsewhere]
            except BridgeError as error:
                log.warning("%s could not be asked for its machines: %s", provider, error)
                at_stake = [f"{each.name} at {each.price} per hour" for each in live if each.provider == provider]
                if at_stake or not isinstance(error, ProviderMissing):
                    billed = f" The ledger has there: {', '.join(at_stake)}." if at_stake else ""
                    troubles.append(f"{provider} could not be asked for its machines: {error}{billed}")
    finally:
        await clouds.close()
    return orphans, troubles
