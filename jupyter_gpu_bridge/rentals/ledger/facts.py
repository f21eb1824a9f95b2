"""What becomes known of a rental bit by bit."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypedDict

from jupyter_gpu_bridge.errors import BadRequest, HostKeyChanged
from jupyter_gpu_bridge.model import Money, Ref, Rental

_COLUMNS = {
    "ref": "ref",
    "address": "address",
    "port": "port",
    "user": "login",
    "host_key": "host_key",
    "lease_until": "lease_until",
    "deadline": "deadline",
}


_NONE = timedelta(0)


class Facts(TypedDict, total=False):
    """Keyword arguments; what is left out stays as it is."""

    ref: Ref
    """Once known it is never another."""
    address: str
    port: int
    user: str
    host_key: str
    """Pinned: another one than before is an error."""
    lease_until: datetime
    deadline: datetime
    """Put off: with it grows what it can come to."""
    price: Money
    """As it is billed; one that is less than was quoted changes nothing."""


def changes_of(rental: Rental, facts: Facts) -> dict[str, object]:
    """The columns to write. Raises `HostKeyChanged`, `BadRequest`."""
    unknown = sorted(set(facts) - set(_COLUMNS) - {"price"})
    if unknown:
        raise TypeError(f"{unknown[0]!r} is no fact of a rental")
    if rental.ref is not None and facts.get("ref", rental.ref) != rental.ref:
        raise BadRequest(
            f"The rental {rental.attempt_id[:8]} is the machine {rental.ref!r} and cannot become {facts.get('ref')!r}.",
            billing="Both machines may be billed.",
            advice=f"Look at the website of {rental.provider}.",
        )
    if rental.host_key and facts.get("host_key", rental.host_key) != rental.host_key:
        raise HostKeyChanged(
            f"The machine {rental.name} shows another host key than at first: it may be another machine.",
            billing="The rented machine is billed until it is ended.",
            advice="End it and rent another one.",
        )
    return {_COLUMNS[name]: value for name, value in facts.items() if name != "price"} | _dearer(rental, facts)


def _dearer(rental: Rental, facts: Facts) -> dict[str, object]:
    """More time is more money. A higher price is that up to the budget only: without one, it ends the earlier."""
    price, deadline = max(facts.get("price", rental.price), rental.price), facts.get("deadline", rental.deadline)
    if (price, deadline) == (rental.price, rental.deadline):
        return {}
    if rental.cap is None:
        return {"price": price, "worst_case": rental.worst_case + price.during(max(deadline - rental.deadline, _NONE))}
    worst_case = min(price.during(deadline - (rental.requested or rental.written)), rental.cap)
    return {"price": price, "worst_case": max(worst_case, rental.worst_case)}
