"""How a wish stands; also for those who rent nothing, so that no database is needed to import it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta

from jupyter_gpu_bridge import settings
from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.model import MachineRef, Order, Rental, Wish
from jupyter_gpu_bridge.rentals.reach import machine_of_wish

LONGEST_DEADLINE = timedelta(days=30)
SHORTEST = timedelta(minutes=1)
EXTENSION_ROOM = timedelta(hours=12)
"""By so much a deadline can be put off: a provider that ends machines by itself is told that much more at the start."""


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


def check_order(order: Order) -> None:
    """Raises `BadRequest` for limits that make no sense."""
    if order.budget is not None and order.budget.micros <= 0:
        raise BadRequest(f"A budget of {order.budget} buys nothing.", advice="Give a sum in dollars, for example 5.")
    if order.need.max_price is not None and order.need.max_price.micros < 0:
        raise BadRequest("A price below nothing is not offered.", advice="Give dollars per hour, for example 1.50")
    for what, value in (("deadline", order.deadline), ("lease", order.lease), ("idle limit", order.idle)):
        if value is not None and not SHORTEST <= value <= LONGEST_DEADLINE:
            raise BadRequest(
                f"The {what} of {value} is not between a minute and 30 days.", advice="For example: 8h, 45m"
            )
    if order.need.gpu_count < 0 or order.need.gpu_memory_mib < 0 or order.need.disk_gib < 0:
        raise BadRequest("Less than nothing cannot be rented.", advice="Leave out what does not matter.")


def was_ever_used() -> bool:
    """Whether there is a ledger at all; cheap, so that whoever rents nothing pays nothing for it."""
    return bool(os.environ.get("JUPYTER_GPU_BRIDGE_LEDGER")) or (settings.data_folder() / "ledger.db").exists()
