"""What most tests of the ledger begin with: somebody's wish, and an offer that fits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from jupyter_gpu_bridge.model import AttemptId, Money, Offer, Order, Ref, Rental, RentalState, WishId
from jupyter_gpu_bridge.rentals.installation import new_attempt_id
from jupyter_gpu_bridge.rentals.ledger import Ledger, Limits

NOON = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
OFFER = Offer("vast", "o-17", "RTX 4090", 1, 24564, Money.parse("0.40"), region="SE", host="h-9", disk_gib=40)
ORDER = Order(budget=Money.parse("3.00"))

TO_USE = (RentalState.REQUESTED, RentalState.CREATED, RentalState.REACHABLE, RentalState.IN_USE)


@dataclass(frozen=True, slots=True)
class Scene:
    ledger: Ledger

    def wish(self, key: str = "profile:box", now: datetime = NOON) -> WishId:
        return self.ledger.wish(key, ORDER, "ada", now)[0].wish_id

    def intend(
        self,
        wish_id: WishId,
        *,
        offer: Offer = OFFER,
        account: str = "fingerprint",
        cap: Money | None = ORDER.budget,
        worst_case: Money | None = None,
        limits: Limits = Limits(),  # noqa: B008 - it is frozen
        attempt_id: AttemptId | None = None,
        name: str | None = None,
        now: datetime = NOON,
    ) -> Rental:
        attempt = attempt_id or new_attempt_id()
        return self.ledger.intend(
            wish_id,
            offer,
            account,
            attempt_id=attempt,
            name=name or f"gpu-bridge-aaaaaaaa-{attempt[:12]}",
            price=offer.price,
            cap=cap,
            worst_case=ORDER.worst_case(offer.price) if worst_case is None else worst_case,
            deadline=now + ORDER.deadline,
            host_key="ssh-ed25519 AAAA",
            limits=limits,
            now=now,
        )

    def rental(
        self,
        key: str = "profile:box",
        *,
        state: RentalState = RentalState.IN_USE,
        account: str = "fingerprint",
        now: datetime = NOON,
    ) -> Rental:
        """One that has come as far as this, all at one moment."""
        return self.bring(self.intend(self.wish(key, now), account=account, now=now), state, now)

    def bring(self, rental: Rental, state: RentalState, now: datetime = NOON) -> Rental:
        """On the shortest way."""
        for step in _way(state):
            ref = Ref(f"m-{rental.attempt_id[:4]}")
            rental = (
                self.ledger.advance(rental.attempt_id, step, now=now, ref=ref)
                if step is RentalState.CREATED
                else self.ledger.advance(rental.attempt_id, step, now=now)
            )
        return rental


def _way(state: RentalState) -> tuple[RentalState, ...]:
    if state is RentalState.INTENT:
        return ()
    if state is RentalState.UNKNOWN:
        return (RentalState.REQUESTED, RentalState.UNKNOWN)
    if state in TO_USE:
        return TO_USE[: TO_USE.index(state) + 1]
    return (*TO_USE, RentalState.RELEASING, RentalState.GONE)[: 5 if state is RentalState.RELEASING else 6]
