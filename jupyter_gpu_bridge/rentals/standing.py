"""How a wish stands; also for those who rent nothing, so that no database is needed to import it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from jupyter_gpu_bridge import plain
from jupyter_gpu_bridge.model import Event, MachineRef, Money, Rental, RentalState, Wish, WishId
from jupyter_gpu_bridge.plain import Plain
from jupyter_gpu_bridge.rentals.installation import installation_id
from jupyter_gpu_bridge.rentals.reach import machine_of_wish

EXTENSION_ROOM = timedelta(hours=12)
"""By so much a deadline can be put off in all."""

KEPT_FOR = timedelta(minutes=30)
"""So long somebody can look at a machine whose set-up has failed, if the order says so."""


WATCHED_EVERY = timedelta(minutes=2)
"""A warden counts what its machine costs every few seconds; with one that was not counted for so long, it is dead."""

_COUNTED = (RentalState.CREATED, RentalState.REACHABLE, RentalState.IN_USE)
"""In these states it is counted all the time."""
_BILLED = (*_COUNTED, RentalState.RELEASING)

STEPS = ("searching", "renting", "booting", "connecting")
_WARNING = "warning"
SETTLED = "settled"
"""What was warned of until then is not so any more."""
TRIED = "tried"
"""Which offers came to nothing before there was a machine, and why."""
TOLD = (_WARNING, SETTLED, TRIED, *STEPS)
"""Kinds of events that say how a wish stands."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A wish and the newest attempt to fill it."""

    wish: Wish
    rental: Rental | None
    warning: Event | None = None
    """The last one, as long as there is something that it warns of."""

    step: Event | None = None
    """What was done last to have a machine, and since when."""

    returned: Sequence[Rental] = ()
    """Earlier attempts, whose machines their provider has brought back: they cost money until they are ended."""

    earlier: Money = field(default_factory=Money)
    """What all attempts but the newest have cost: what was rented and could not be used is paid as well."""

    tried: str = ""
    """Why it is not the offer that was first, where another one came to nothing; as a sentence."""

    seen: datetime | None = field(default=None, compare=False)
    """When it was looked at: until then what is billed is counted, also where nobody has written it down."""

    @classmethod
    def of(
        cls, wish: Wish, attempts: Iterable[Rental], events: Sequence[Event], seen: datetime | None = None
    ) -> Standing:
        """`attempts`, `events`: of this wish; of the events those that are `TOLD` at least, the oldest first."""
        newest = max(attempts := list(attempts), key=lambda each: each.written, default=None)
        returned = [each for each in attempts if each.state.is_live and each is not newest]
        step = next((event for event in reversed(events) if event.kind in STEPS), None)
        earlier = sum((each.accrued for each in attempts if each is not newest), Money())
        tried = next((event.text for event in reversed(events) if event.kind == TRIED), "")
        return cls(wish, newest, _warning([*returned, newest], events), step, returned, earlier, tried, seen)

    @property
    def machine(self) -> MachineRef:
        return machine_of_wish(self.wish.wish_id)

    @property
    def cost(self) -> Money:
        """Of the wish so far, whichever attempt it was that cost it; by its price where it was not counted yet."""
        if self.rental is None:
            return self.earlier
        cost = self.earlier + self.rental.accrued
        return cost + self.rental.price.during(self._uncounted(self.rental, _BILLED))

    @property
    def unwatched_since(self) -> datetime | None:
        """Nobody has looked after it since then, and it may be billed; nothing where somebody does."""
        if self.seen is None or self.rental is None or self._uncounted(self.rental, _COUNTED) < WATCHED_EVERY:
            return None
        return _counted_until(self.rental)

    @property
    def told_unwatched(self) -> str:
        """As a sentence; empty where somebody looks after it."""
        since = self.unwatched_since
        if since is None:
            return ""
        return f"It is not looked after since {since:%Y-%m-%d %H:%M} UTC, and its cost is an estimate."

    def _uncounted(self, rental: Rental, states: Sequence[RentalState]) -> timedelta:
        since = _counted_until(rental)
        if self.seen is None or since is None or rental.state not in states:
            return timedelta(0)
        return max(self.seen - since, timedelta(0))

    @property
    def budget(self) -> Money | None:
        """Of the wish: an attempt has what earlier ones have left."""
        return None if self.rental is None or self.rental.cap is None else self.earlier + self.rental.cap

    @property
    def worst_case(self) -> Money:
        """The largest possible bill, with what earlier attempts have cost."""
        return self.earlier if self.rental is None else self.earlier + self.rental.worst_case

    @property
    def is_elsewhere(self) -> bool:
        """Wanted by another computer or user, who looks after it; whoever knows the account may end it all the same."""
        return self.wish.is_open and self.wish.installation not in ("", installation_id())

    def plain(self) -> Plain:
        """For JSON."""
        return plain.rental(
            self.wish,
            self.rental,
            self.warning,
            self.step,
            is_elsewhere=self.is_elsewhere,
            earlier=self.earlier,
            cost=self.cost,
            unwatched_since=self.unwatched_since,
            tried=self.tried,
        )

    @property
    def is_over(self) -> bool:
        """Nothing is wanted, and nothing is billed."""
        return not self.wish.is_open and not any(each.state.is_live for each in (*self.returned, *self._newest()))

    def _newest(self) -> Sequence[Rental]:
        return () if self.rental is None else (self.rental,)


def standings(
    wishes: Sequence[Wish],
    rentals: Sequence[Rental],
    told: Mapping[WishId, Sequence[Event]],
    seen: datetime | None = None,
) -> Sequence[Standing]:
    """How each of these wishes stands; what was asked for last comes first, if `wishes` begin with the oldest."""
    attempts: defaultdict[WishId, list[Rental]] = defaultdict(list)
    for rental in rentals:
        attempts[rental.wish_id].append(rental)
    return [Standing.of(each, attempts[each.wish_id], told.get(each.wish_id, ()), seen) for each in reversed(wishes)]


def _counted_until(rental: Rental) -> datetime | None:
    return rental.accrued_until or rental.requested


def _warning(attempts: Sequence[Rental | None], events: Sequence[Event]) -> Event | None:
    """The last one about something that there is, or that is still looked for."""
    live = [None if each is None else each.attempt_id for each in attempts if each is None or each.state.is_live]
    if not live:
        return None
    told = (each for each in reversed(events) if each.kind in (_WARNING, SETTLED) and each.attempt_id in (None, *live))
    last = next(told, None)
    return None if last is None or last.kind == SETTLED else last
