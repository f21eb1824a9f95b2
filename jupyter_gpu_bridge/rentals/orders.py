"""What anybody may ask for about rented machines: to have one, to have it no more, and how things stand."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from jupyter_gpu_bridge import settings
from jupyter_gpu_bridge.errors import BadRequest, LinkLost, RentalUnknown
from jupyter_gpu_bridge.machine.link import LinkClient, Report, links
from jupyter_gpu_bridge.model import Event, MachineRef, Need, Offer, Order, Rental, RentalState, Wish, WishId
from jupyter_gpu_bridge.rentals.book import Book
from jupyter_gpu_bridge.rentals.clock import RealClock
from jupyter_gpu_bridge.rentals.ledger import Ledger
from jupyter_gpu_bridge.rentals.reach import machine_of_wish, target_of

if TYPE_CHECKING:
    from jupyter_gpu_bridge.rentals.guard import Round

_LONGEST_DEADLINE = timedelta(days=30)
_SHORTEST = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Standing:
    """A wish and the newest attempt to fill it."""

    wish: Wish
    rental: Rental | None

    @property
    def machine(self) -> MachineRef:
        return machine_of_wish(self.wish.wish_id)

    @property
    def is_over(self) -> bool:
        """Nothing is wanted, and nothing is billed."""
        return not self.wish.is_open and (self.rental is None or not self.rental.state.is_live)


class Orders:
    """Of one process; see `orders()`."""

    def __init__(self) -> None:
        self._clock = RealClock()
        self._book: Book | None = None
        self._opening = threading.Lock()

    async def search(self, need: Need) -> Sequence[Offer]:
        """The best first. Raises `NothingFits`."""
        from jupyter_gpu_bridge.rentals.clouds import Clouds
        from jupyter_gpu_bridge.rentals.search import search

        clouds = Clouds()
        try:
            return (await search(need, clouds)).offers
        finally:
            await clouds.close()

    async def want(self, key: str, order: Order, asked_by: str = "") -> Standing:
        """The open wish of that key, or a new one. Its machine is found when somebody waits for it (`arrive`)."""
        check_order(order)
        book = await self._ready()
        wish, _ = await book.read(Ledger.wish, key, order, asked_by, self._clock.now())
        return Standing(wish, await book.live(wish.wish_id))

    async def arrive(self, standing: Standing, report: Report) -> Standing:
        """Until its machine can be used. Cancelled, or when it fails, the wish is closed and nothing stays rented."""
        machine = standing.machine
        try:
            await links().run(links().ask(machine, target_of(machine), "arrive", report=report))
        except LinkLost:
            raise
        except BaseException:
            await asyncio.shield(self.unwant(standing.wish.wish_id, "It was given up."))
            raise
        return await self.find(standing.wish.wish_id)

    async def unwant(self, wish_id: WishId, because: str) -> bool:
        """There is to be no machine for it any more; a warden ends what there is. Whether it was wanted until now."""
        book = await self._ready()
        was_open = await book.close_wish(wish_id, because)
        if await book.live(wish_id) is not None:
            await self.wake(wish_id)
        return was_open

    async def wake(self, wish_id: WishId) -> None:
        """See to it that its warden lives."""
        client = LinkClient(machine_of_wish(wish_id))
        try:
            await links().run(client.connect(start=True))
        finally:
            await links().run(client.close())

    async def until_gone(self, wish_id: WishId) -> Standing:
        while not (standing := await self.find(wish_id)).is_over:  # noqa: ASYNC110 - another process ends it
            await asyncio.sleep(0.2)
        return standing

    async def find(self, start: str) -> Standing:
        """By the first letters of its id. Raises `RentalUnknown`."""
        book = await self._ready()
        wish = await book.read(Ledger.find_wish, start)
        return Standing(wish, await self._newest(wish.wish_id))

    async def all(self, *, ended: bool = False) -> Sequence[Standing]:
        """The newest first; those that are over only when asked for."""
        book = await self._ready()
        wishes = await book.read(Ledger.wishes, open_only=False)
        rentals = await book.read(Ledger.rentals, live_only=False)
        newest: dict[WishId, Rental] = {}
        for rental in sorted(rentals, key=lambda each: each.written):
            newest[rental.wish_id] = rental
        found = [Standing(wish, newest.get(wish.wish_id)) for wish in wishes]
        return sorted(
            (each for each in found if ended or not each.is_over), key=lambda each: each.wish.asked, reverse=True
        )

    async def events(self, wish_id: WishId) -> Sequence[Event]:
        book = await self._ready()
        return await book.read(Ledger.events, wish_id)

    async def extend(self, wish_id: WishId, more: timedelta) -> Rental:
        """A later deadline. Raises `RentalUnknown` when nothing is rented now."""
        book = await self._ready()
        rental = await book.live(wish_id)
        if rental is None or rental.state is RentalState.RELEASING:
            raise RentalUnknown("There is no machine of that id now.", advice="See: jupyter gpu ls")
        if not _SHORTEST <= more <= _LONGEST_DEADLINE:
            raise BadRequest(f"{more} is no time to extend by.", advice="Say minutes or hours, for example 30m.")
        return await book.advance(rental, rental.state, deadline=rental.deadline + more)

    async def guard(self) -> Round:
        """Look after everything that is rented, once."""
        from jupyter_gpu_bridge.rentals.guard import look

        return await look(self, await self._ready())

    async def _newest(self, wish_id: WishId) -> Rental | None:
        book = await self._ready()
        attempts = await book.read(Ledger.of_wish, wish_id)
        return max(attempts, key=lambda each: each.written, default=None)

    async def _ready(self) -> Book:
        return await asyncio.to_thread(self._open)

    def _open(self) -> Book:
        with self._opening:
            if self._book is None:
                self._book = Book(Ledger.open(), self._clock)
            return self._book

    def close(self) -> None:
        book, self._book = self._book, None
        if book is not None:
            book.ledger.close()


def check_order(order: Order) -> None:
    """Raises `BadRequest` for limits that make no sense."""
    if order.budget is not None and order.budget.micros <= 0:
        raise BadRequest(f"A budget of {order.budget} buys nothing.", advice="Give a sum in dollars, for example 5.")
    if order.need.max_price is not None and order.need.max_price.micros < 0:
        raise BadRequest("A price below nothing is not offered.", advice="Give dollars per hour, for example 1.50")
    for what, value in (("deadline", order.deadline), ("lease", order.lease), ("idle limit", order.idle)):
        if value is not None and not _SHORTEST <= value <= _LONGEST_DEADLINE:
            raise BadRequest(
                f"The {what} of {value} is not between a minute and 30 days.", advice="For example: 8h, 45m"
            )
    if order.need.gpu_count < 0 or order.need.gpu_memory_mib < 0 or order.need.disk_gib < 0:
        raise BadRequest("Less than nothing cannot be rented.", advice="Leave out what does not matter.")


def was_ever_used() -> bool:
    """Whether there is a ledger at all; cheap, so that whoever rents nothing pays nothing for it."""
    return bool(os.environ.get("JUPYTER_GPU_BRIDGE_LEDGER")) or (settings.data_folder() / "ledger.db").exists()


_present: Orders | None = None
_choosing = threading.Lock()


def orders() -> Orders:
    """Those of this process."""
    global _present
    with _choosing:
        if _present is None:
            _present = Orders()
        return _present
