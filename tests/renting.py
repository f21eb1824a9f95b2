"""Rentals as a ledger might hold them, for tests that have none."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from jupyter_gpu_bridge.bridge import Standing
from jupyter_gpu_bridge.model import (
    AttemptId,
    Event,
    MachineRef,
    MachineState,
    MachineView,
    Money,
    Offer,
    Order,
    Ref,
    Rental,
    RentalState,
    Wish,
    WishId,
)

WISH = WishId("ab12cd34" * 4)
ATTEMPT = AttemptId("0f" * 16)
ASKED = datetime(2026, 11, 20, 12, 0, tzinfo=timezone.utc)


def minutes(count: int) -> datetime:
    """After it was asked for."""
    return ASKED + timedelta(minutes=count)


A100 = Offer("sandbox", "offer-1", "Pretend A100 80 GB", 1, 81_920, Money.parse("2.5"), region="here", is_pretend=True)

RENTED = Rental(
    ATTEMPT,
    WISH,
    RentalState.IN_USE,
    "sandbox",
    "fingerprint",
    A100,
    "gb-test-1",
    price=Money.parse("2.5"),
    cap=Money.parse("5"),
    worst_case=Money.parse("5"),
    accrued=Money.parse("1.250001"),
    deadline=minutes(480),
    written=ASKED,
    requested=ASKED,
    created=minutes(1),
    accrued_until=minutes(30),
    ref=Ref("machine-1"),
    address="127.0.0.1",
)


def wish(**given: Any) -> Wish:
    return replace(Wish(WISH, "name:train", Order(), ASKED, "somebody"), **given)


def standing(**given: Any) -> Standing:
    """In use, but for what is given of the attempt."""
    return Standing(wish(), replace(RENTED, **given))


def over(at: datetime = ASKED) -> Standing:
    closed = wish(closed=at, closed_because="Its deadline has come.")
    return Standing(closed, replace(RENTED, state=RentalState.GONE, gone=at, reason="Its deadline has come."))


def warning(text: str, at: datetime = ASKED, attempt: AttemptId | None = ATTEMPT) -> Event:
    return Event(at, WISH, attempt, "warning", text)


def machine_view() -> MachineView:
    return MachineView(MachineRef("rental", WISH), "Pretend A100 80 GB (sandbox)", MachineState.CONNECTED)
