"""Machines that bear our name and of which the ledger knows nothing: it was lost, or is older than they are."""

from __future__ import annotations

import secrets
from datetime import datetime

from sqlalchemy import insert, select, update

from jupyter_gpu_bridge.db import tables
from jupyter_gpu_bridge.model import AttemptId, Money, Offer, Order, Rental, RentalState, Seen, WishId
from jupyter_gpu_bridge.rentals.ledger.chapter import Chapter
from jupyter_gpu_bridge.rentals.ledger.history import write_event
from jupyter_gpu_bridge.rentals.ledger.registry import read_rental
from jupyter_gpu_bridge.rentals.ledger.rows import offer_text, order_text, rental_of
from jupyter_gpu_bridge.rentals.ledger.wishes import read_wish

_W, _R = tables.wishes, tables.rentals


class Adoption(Chapter):
    def adopt(
        self,
        key: str,
        provider: str,
        account: str,
        seen: Seen,
        now: datetime,
        *,
        attempt_id: AttemptId,
        host_key: str,
        is_pretend: bool,
        installation: str = "",
        warning: str = "",
    ) -> Rental:
        """A row for it, under an open wish of that key; the row that is there already, if there is one.

        What it has cost until now nobody knows here; it is counted from now on. `warning`: what becomes of it.
        """
        order = Order()
        wish_id = WishId(secrets.token_hex(16))
        price = seen.price or Money()
        offer = Offer(provider, "", "", 0, 0, price, host=seen.host, is_pretend=is_pretend)
        with self._database.writing() as connection:
            there = connection.execute(select(_R).where(_R.c.name == seen.name)).first()
            if there is not None:
                return rental_of(there)
            connection.execute(
                insert(_W).values(
                    wish_id=wish_id,
                    key=key,
                    wanted=order_text(order),
                    asked=now,
                    asked_by="nobody",
                    installation=installation,
                    closed_because="",
                )
            )
            connection.execute(
                insert(_R).values(
                    attempt_id=attempt_id,
                    wish_id=wish_id,
                    state=RentalState.CREATED.value,
                    provider=provider,
                    account=account,
                    offer=offer_text(offer),
                    is_pretend=is_pretend,
                    name=seen.name,
                    price=price,
                    cap=None,
                    worst_case=order.worst_case(price),
                    accrued=Money(),
                    deadline=now + order.deadline,
                    written=now,
                    requested=now,
                    created=now,
                    ref=seen.ref,
                    address=seen.address,
                    port=seen.port,
                    login=seen.user,
                    host_key=host_key,
                    reason="",
                )
            )
            write_event(connection, wish_id, attempt_id, "state", "It was found running, and nobody knew of it.", now)
            if warning:
                write_event(connection, wish_id, attempt_id, "warning", warning, now)
            return read_rental(connection, attempt_id)

    def keep(self, rental: Rental, was: str, key: str, now: datetime) -> bool:
        """What its wish is for now, and that nothing is to be warned of any more; whether it was open, and for what it
        was thought to be. Raises `RentalUnknown`."""
        with self._database.writing() as connection:
            wish = read_wish(connection, rental.wish_id)
            if not wish.is_open or wish.key != was:
                return False
            connection.execute(update(_W).where(_W.c.wish_id == wish.wish_id).values(key=key))
            write_event(connection, wish.wish_id, rental.attempt_id, "settled", "It is kept.", now)
            return True
