"""What may be rented for days: not what only this computer could end, unless the system runs the guard on it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from jupyter_gpu_bridge.errors import NothingFits
from jupyter_gpu_bridge.model import Offer, Order
from jupyter_gpu_bridge.providers.clouds import Clouds
from jupyter_gpu_bridge.rentals.guard_timer import timer_now

LONG = timedelta(hours=24)


async def without_unguarded(offers: Sequence[Offer], order: Order, clouds: Clouds) -> Sequence[Offer]:
    """Raises `NothingFits` where nothing is left: how to have it all the same."""
    if order.unguarded or order.deadline <= LONG:
        return offers
    alone = {name for name in {offer.provider for offer in offers} if not clouds.get(name).traits.ends_alone}
    if not alone or (await timer_now()).runner is not None:
        return offers
    left = [offer for offer in offers if offer.provider not in alone]
    if not left:
        titles = " and ".join(sorted(clouds.get(name).traits.title for name in alone))
        raise NothingFits(
            f"For more than {LONG // timedelta(hours=1)} h nothing is rented at {titles} unless the guard is "
            "installed: if this computer is off, nothing ends the machine.",
            billing="Nothing was rented.",
            advice="Have the guard installed: jupyter gpu guard install. Or insist on it: --unguarded",
        )
    return left
