"""What became of a machine while nothing of ours lived or was awake: after its lease it ends itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from jupyter_gpu_bridge.model import Order, Provider, Rental, SeenState, WhenBusy
from jupyter_gpu_bridge.providers.clouds import require_account
from jupyter_gpu_bridge.rentals.clock import Clock, Trust

ENDED = (SeenState.FAILED, SeenState.STOPPED, SeenState.ENDING)
_LEAVING = timedelta(minutes=3)
"""For its save hook, and to ask its provider."""


@dataclass(frozen=True, slots=True)
class EndedAlone:
    at: datetime
    """At the latest: when it really was, only its provider knows."""
    because: str


async def ended_alone(rental: Rental, order: Order, cloud: Provider, clock: Clock) -> EndedAlone | None:
    """Nothing while it is there, or was looked after until just now. Raises `CloudError`."""
    since = rental.accrued_until or rental.requested or rental.written
    if rental.ref is None or (clock.trust is not Trust.NONE and clock.now() - since < order.lease):
        return None
    seen = await cloud.get(rental.ref)
    clock.believe()
    if (seen is not None and seen.state not in ENDED) or clock.now() - since < order.lease:
        return None
    await require_account(rental, cloud)
    return EndedAlone(min([clock.now(), *_limits(rental, order, cloud, since)]), _because(rental, cloud))


def _limits(rental: Rental, order: Order, cloud: Provider, since: datetime) -> list[datetime]:
    """What ends it wherever we are: its own lease, or what its provider was told."""
    limits = []
    if cloud.traits.removal and order.when_busy is WhenBusy.STOP:
        limits.append(since + order.lease + _LEAVING)
    if cloud.traits.removal or cloud.traits.limits_at_create:
        limits.append(rental.deadline)
        if rental.ceiling is not None:
            limits.append(since + (rental.ceiling - rental.accrued).lasts(rental.price))
    return [max(each, since) for each in limits]


def _because(rental: Rental, cloud: Provider) -> str:
    if cloud.traits.removal:
        return "It ended itself while nothing of ours was there to renew its lease."
    return f"It ended while nothing of ours was there: {cloud.traits.title} shows {rental.name} no more."
