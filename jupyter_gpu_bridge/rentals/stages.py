"""How long each stage took until a machine could be used, from what the ledger tells of its wish."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from jupyter_gpu_bridge.model import Event, RentalState
from jupyter_gpu_bridge.rentals.ledger.steps import sentence
from jupyter_gpu_bridge.rentals.standing import STEPS

READY = "ready"

_ENTERED = sentence(None, RentalState.REACHABLE, "")
_GONE = tuple(sentence(None, state, "") for state in (RentalState.RELEASING, RentalState.GONE))


@dataclass(frozen=True, slots=True)
class Took:
    """One stage; an offer that failed has the next one begin them anew."""

    name: str
    """`ready`: not a stage, but the time from the wish to the first use."""
    time: timedelta | None
    """`None`: it is not over."""

    @property
    def is_ready(self) -> bool:
        return self.name == READY


def stages(asked: datetime, events: Sequence[Event]) -> Sequence[Took]:
    """`events`: all of a wish, the oldest first."""
    found: list[Took] = []
    name, since = "", asked
    for event in events:
        is_ready = event.kind == "state" and event.text == _ENTERED
        is_end = is_ready or (event.kind == "state" and event.text.startswith(_GONE))
        if not is_end and (event.kind not in STEPS or event.kind == name):
            continue
        if name:
            found.append(Took(name, event.at - since))
        if is_ready:
            return [*found, Took(READY, event.at - asked)]
        name, since = "" if is_end else event.kind, event.at
    return [*found, Took(name, None)] if name else found
