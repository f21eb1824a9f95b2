"""A deadline is put off: in the ledger first, from which its warden tells the machine and the provider."""

from __future__ import annotations

from datetime import timedelta

from jupyter_gpu_bridge.errors import BadRequest, BridgeError, LinkLost, RentalUnknown
from jupyter_gpu_bridge.marks import reached
from jupyter_gpu_bridge.model import Rental, RentalState, Wish, WishId
from jupyter_gpu_bridge.rentals.book import Book
from jupyter_gpu_bridge.rentals.ledger import Ledger
from jupyter_gpu_bridge.rentals.limits import user_limits
from jupyter_gpu_bridge.rentals.order_words import LONGEST, SHORTEST
from jupyter_gpu_bridge.rentals.standing import EXTENSION_ROOM, Standing
from jupyter_gpu_bridge.rentals.waking import wake


async def extend(wish_id: WishId, more: timedelta, book: Book) -> Rental:
    """A later deadline, of which its warden tells the machine and the provider; one that is dead is started again.

    Raises `RentalUnknown` when nothing is rented now, `OverBudget` for the limits over all, and `LinkLost` when it
    is put off, and nobody can tell them.
    """
    rental = await book.live(wish_id)
    if rental is None or rental.state is RentalState.RELEASING:
        raise RentalUnknown("There is no machine of that id now.", advice="See: jupyter gpu ls")
    if not SHORTEST <= more <= LONGEST:
        raise BadRequest(f"{more} is no time to extend by.", advice="Say minutes or hours, for example 30m.")
    await _require_movable(rental)
    wish = await book.wish(wish_id)
    latest = rental.written + wish.order.deadline + EXTENSION_ROOM
    if rental.deadline + more > latest:
        raise BadRequest(
            f"It can be put off to {latest:%Y-%m-%d %H:%M} UTC at the latest.",
            advice="Rent another machine for what takes longer.",
        )
    extended = await book.read(
        Ledger.extend, rental.attempt_id, rental.deadline + more, user_limits(), book.clock.now()
    )
    reached("extended")
    await _tell(wish, extended, book)
    return extended


async def _tell(wish: Wish, rental: Rental, book: Book) -> None:
    if Standing(wish, None).is_elsewhere:
        return  # there it is read in the ledger
    try:
        if replaced := await wake(wish.wish_id):
            await book.note_wish(wish.wish_id, "warning", replaced)
    except (BridgeError, OSError) as error:
        raise LinkLost(
            f"Its deadline is {rental.deadline:%Y-%m-%d %H:%M} UTC now, but nobody tells the machine and its "
            f"provider, since its warden cannot be woken: {error}",
            billing="They may end it at the deadline that they know.",
            advice="Try: jupyter gpu guard",
        ) from None


async def _require_movable(rental: Rental) -> None:
    """Raises `BadRequest` where its provider was told a time at which to end it, and cannot be told another."""
    from jupyter_gpu_bridge.providers.clouds import Clouds

    clouds = Clouds()
    try:
        traits = clouds.get(rental.provider).traits
    finally:
        await clouds.close()
    if traits.limits_at_create and not traits.puts_off:
        raise BadRequest(
            f"{traits.title} was told to end this machine at {rental.deadline:%Y-%m-%d %H:%M} UTC, and takes no "
            "other time now.",
            billing="Until then it costs what it does.",
            advice="Rent another machine with a later deadline (--for); the idle limit ends it earlier anyway.",
        )
