"""One attempt: from an offer to a machine that runs. Each step is in the ledger before the next one is taken.

Invariants, whatever is killed or cancelled between any two lines:
- nothing is sent that was not written down before, with the very name that the machine will bear;
- it is sent once; when the answer is lost, the listing decides;
- the id of a machine is written down before anything else is done with it;
- whoever comes later finds in the ledger what to look for and what to end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from jupyter_gpu_bridge.errors import BridgeError, CloudError, KeyRefused, NoCapacity, Refused, RentFailed
from jupyter_gpu_bridge.machine.lease import HostKey, LeasePlan, start_script
from jupyter_gpu_bridge.marks import reached
from jupyter_gpu_bridge.model import (
    Account,
    Created,
    CreatePlan,
    Money,
    Offer,
    Provider,
    Rental,
    RentalState,
    Seen,
    SeenState,
    Wish,
)
from jupyter_gpu_bridge.providers.offers import remembered
from jupyter_gpu_bridge.rentals import key_pairs, resolve
from jupyter_gpu_bridge.rentals.allowance import Allowance
from jupyter_gpu_bridge.rentals.book import Book
from jupyter_gpu_bridge.rentals.installation import installation_id, machine_name, new_attempt_id
from jupyter_gpu_bridge.rentals.ledger import Ledger, Limits
from jupyter_gpu_bridge.rentals.standing import KEPT_FOR

Report = Callable[[str, str], None]

_FIRST_LOOK, _LATER = timedelta(milliseconds=200), timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What it takes to try one offer."""

    wish: Wish
    offer: Offer
    allowance: Allowance
    cloud: Provider
    account: Account
    book: Book
    limits: Limits

    async def request(self) -> Rental:
        """A machine that was created. Raises `NoCapacity`, `Refused`, `KeyRefused`, when certainly nothing was.

        Cancelled in the middle, it is left in the ledger as whatever it is then, for whoever releases it.
        """
        rental, plan = await self._write_down()
        reached("intent")
        rental = await self.book.advance(rental, RentalState.REQUESTED)
        reached("requested")
        try:
            created = await self._send(rental, plan)
        except (NoCapacity, Refused, KeyRefused) as error:
            reached("refused")
            await self.book.advance(rental, RentalState.GONE, error.what)
            key_pairs.forget(rental.attempt_id)
            raise
        except CloudError as error:
            created = await self._resolve(rental, error)
        reached("answered")
        return await self.book.advance(rental, RentalState.CREATED, ref=created.ref)

    async def _write_down(self) -> tuple[Rental, CreatePlan]:
        attempt_id = new_attempt_id()
        pairs = await asyncio.to_thread(key_pairs.make, attempt_id)
        reached("keys")
        order, now = self.wish.order, self.book.clock.now()
        name = machine_name(installation_id(), attempt_id)
        try:
            rental = await self.book.read(
                Ledger.intend,
                self.wish.wish_id,
                self.offer,
                self.account.fingerprint,
                attempt_id=attempt_id,
                name=name,
                price=self.offer.price,
                cap=self.allowance.budget,
                worst_case=self.allowance.worst_case(self.offer.price),
                deadline=now + self.allowance.time,
                host_key=pairs.host_key,
                limits=self.limits,
                now=now,
            )
        except BridgeError:
            key_pairs.forget(attempt_id)
            raise
        lease = LeasePlan(
            name=name,
            first_lease=max(order.lease, KEPT_FOR + self.cloud.traits.login_limit)
            if order.keeps_failed
            else order.lease,
            deadline=self.allowance.lasts(self.offer.price),
            when_busy=order.when_busy,
            removal=self.cloud.traits.removal,
            host_key=HostKey(pairs.private_host_key, pairs.host_key),
        )
        plan = CreatePlan(
            offer=self.offer,
            name=name,
            public_key=pairs.public_key,
            start_script=start_script(lease),
            limit=self.allowance.lasts(self.offer.price),
            image=order.image,
            cuda=order.need.cuda,
        )
        return rental, plan

    async def _send(self, rental: Rental, plan: CreatePlan) -> Created:
        """Once. Who cancels us waits for the answer, since only the answer tells what has to be ended."""
        sending = asyncio.ensure_future(self.cloud.create(plan))
        try:
            return await asyncio.shield(sending)
        except asyncio.CancelledError:
            await asyncio.wait([sending])
            if not sending.cancelled() and sending.exception() is None:
                await self.book.advance(rental, RentalState.CREATED, ref=sending.result().ref)
            raise
        finally:
            remembered().invalidate(self.offer.provider)  # it is taken, by us or by others

    async def _resolve(self, rental: Rental, error: CloudError) -> Created:
        rental = await self.book.advance(rental, RentalState.UNKNOWN, error.what)
        reached("unknown")
        seen = await resolve.find(rental, self.cloud, self.book.clock)
        if seen is not None:
            reached("found")
            return Created(seen.ref)
        await self.book.advance(rental, RentalState.GONE, f"{error.what} Nothing was rented.")
        key_pairs.forget(rental.attempt_id)
        raise NoCapacity(f"no clear answer from {self.cloud.traits.title} ({error.what.rstrip('.')}), nothing was made")


class TooDear(RentFailed):
    """It is billed at a higher price than somebody was shown; there are others."""


async def until_running(rental: Rental, cloud: Provider, book: Book, since: datetime, agreed: Money | None) -> Seen:
    """Until the machine runs and has an address. Raises `RentFailed` when it never will.

    `agreed`: the highest price per hour that was. Raises `TooDear`.
    """
    pause = _FIRST_LOOK
    trouble = ""
    while True:
        try:
            seen = None if rental.ref is None else await cloud.get(rental.ref)
            book.clock.believe()
            if seen is not None and seen.price is not None and seen.price > rental.price:
                rental = await book.dearer(rental, seen.price)
            if agreed is not None and rental.price > agreed:
                raise TooDear(f"its provider bills {rental.price} per hour, and {agreed} was agreed")
            if seen is not None and seen.state is SeenState.RUNNING and seen.address:
                return seen
            if seen is not None and seen.state in (SeenState.FAILED, SeenState.STOPPED):
                raise RentFailed(f"the machine is {seen.state.value} ({seen.detail or 'no reason was given'})")
            trouble = "" if seen is not None else "the provider does not show it"
        except CloudError as error:
            trouble = error.what.rstrip(".")
        if book.clock.now() - since > cloud.traits.boot_limit:
            minutes = cloud.traits.boot_limit // timedelta(minutes=1)
            raise RentFailed(f"it did not run after {minutes} min" + (f" ({trouble})" if trouble else ""))
        await book.clock.sleep(pause)
        pause = min(pause * 2, _LATER)
