"""From which state to which a rental may go, and how that is told."""

from __future__ import annotations

from jupyter_gpu_bridge.errors import BadRequest, RentalEnded
from jupyter_gpu_bridge.model import Rental, RentalState

_INTENT, _REQUESTED, _UNKNOWN = RentalState.INTENT, RentalState.REQUESTED, RentalState.UNKNOWN
_CREATED, _REACHABLE, _IN_USE = RentalState.CREATED, RentalState.REACHABLE, RentalState.IN_USE
_RELEASING, _GONE = RentalState.RELEASING, RentalState.GONE

STEPS: dict[RentalState, frozenset[RentalState]] = {
    _INTENT: frozenset({_REQUESTED, _GONE}),
    _REQUESTED: frozenset({_CREATED, _UNKNOWN, _RELEASING, _GONE}),
    _UNKNOWN: frozenset({_CREATED, _RELEASING, _GONE}),
    _CREATED: frozenset({_REACHABLE, _RELEASING, _GONE}),
    _REACHABLE: frozenset({_IN_USE, _RELEASING, _GONE}),
    _IN_USE: frozenset({_RELEASING, _GONE}),
    _RELEASING: frozenset({_GONE}),
    _GONE: frozenset(),
}

WITHOUT_MACHINE = frozenset({_INTENT, _REQUESTED, _UNKNOWN})
"""Whoever goes from here to `gone` never was a machine, as far as anybody knows."""

_SENTENCES = {
    _INTENT: "Written down; nothing has been sent.",
    _REQUESTED: "The machine is asked for.",
    _UNKNOWN: "The answer does not say whether there is a machine.",
    _CREATED: "There is a machine.",
    _REACHABLE: "The machine can be reached.",
    _IN_USE: "The machine is in use.",
    _RELEASING: "The machine is being ended.",
    _GONE: "The machine is gone.",
}


def require_step(rental: Rental, to: RentalState) -> None:
    """Raises `RentalEnded` when it is too late for that, `BadRequest` when it never could be. Staying is allowed."""
    if to is rental.state or to in STEPS[rental.state]:
        return
    if rental.state in (_RELEASING, _GONE):
        raise RentalEnded(
            f"The rental {rental.attempt_id[:8]} is {'gone' if rental.state is _GONE else 'being ended'} already. "
            f"{rental.reason}".strip(),
            billing="" if rental.state is _GONE else "It is billed until its provider says that it is gone.",
        )
    raise BadRequest(
        f"The rental {rental.attempt_id[:8]} cannot go from {rental.state.value!r} to {to.value!r}.",
        billing="It may be billed.",
    )


def sentence(before: RentalState | None, to: RentalState, reason: str) -> str:
    """For the rental's history."""
    never_was = to is _GONE and before in WITHOUT_MACHINE
    told = "Nothing was rented." if never_was else _SENTENCES[to]
    return f"{told} {reason}".strip()
