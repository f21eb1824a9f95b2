"""Rows of the tables as our words, and what of them is kept as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from jupyter_gpu_bridge.errors import LedgerBroken
from jupyter_gpu_bridge.model import Event, Offer, Order, Rental, RentalState, Wish

if TYPE_CHECKING:
    from sqlalchemy import Row

_orders = msgspec.json.Decoder(Order)
_offers = msgspec.json.Decoder(Offer)


def order_text(order: Order) -> str:
    return msgspec.json.encode(order).decode()


def offer_text(offer: Offer) -> str:
    return msgspec.json.encode(offer).decode()


def wish_of(row: Row[Any]) -> Wish:
    try:
        order = _orders.decode(row.wanted)
    except msgspec.MsgspecError:
        raise LedgerBroken(
            f"What was ordered in the wish {row.wish_id[:8]} cannot be read.",
            billing="What is rented for it goes on and goes on costing money.",
            advice="End its rentals, and order anew.",
        ) from None
    return Wish(
        wish_id=row.wish_id,
        key=row.key,
        order=order,
        asked=row.asked,
        asked_by=row.asked_by,
        installation=row.installation,
        closed=row.closed,
        closed_because=row.closed_because,
    )


def rental_of(row: Row[Any]) -> Rental:
    return Rental(
        attempt_id=row.attempt_id,
        wish_id=row.wish_id,
        state=_state_of(row.state),
        provider=row.provider,
        account=row.account,
        offer=offer_of(row),
        name=row.name,
        price=row.price,
        cap=row.cap,
        worst_case=row.worst_case,
        accrued=row.accrued,
        deadline=row.deadline,
        written=row.written,
        requested=row.requested,
        created=row.created,
        accrued_until=row.accrued_until,
        gone=row.gone,
        ref=row.ref,
        address=row.address,
        port=row.port,
        user=row.login,
        host_key=row.host_key,
        lease_until=row.lease_until,
        has_returned=row.resurrected is not None,
        reason=row.reason,
    )


def event_of(row: Row[Any]) -> Event:
    return Event(at=row.at, wish_id=row.wish_id, attempt_id=row.attempt_id, kind=row.kind, text=row.text)


def _state_of(text: str) -> RentalState:
    try:
        return RentalState(text)
    except ValueError:
        return RentalState.UNKNOWN  # of newer code: something may be billed


def offer_of(row: Row[Any]) -> Offer:
    """A machine must be found and ended whatever has become of the description of its offer."""
    try:
        return _offers.decode(row.offer)
    except msgspec.MsgspecError:
        return Offer(row.provider, "", "", 0, 0, row.price, is_pretend=row.is_pretend)
