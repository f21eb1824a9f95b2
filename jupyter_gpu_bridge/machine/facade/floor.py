"""iopub: up to where everybody has everything, so that the far side may forget it; and what is kept here for the rest.

Invariant: what is above the floor is in the backlog or still on its way here; what is below it and somebody still needs
is in the journal. The floor is never above the step, and it is the cursor of the lane in the file of `durable`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

from jupyter_gpu_bridge.machine.facade.backlog import Backlog
from jupyter_gpu_bridge.machine.facade.bounds import Bounds
from jupyter_gpu_bridge.machine.facade.durable import Durable
from jupyter_gpu_bridge.machine.facade.journal import Journal
from jupyter_gpu_bridge.machine.facade.reunion import Reunion
from jupyter_gpu_bridge.machine.facade.sessions import Sessions
from jupyter_gpu_bridge.machine.facade.subscriber import Standing, Subscriber
from jupyter_gpu_bridge.model import Lane

_log = logging.getLogger(__name__)


class Floor:
    def __init__(
        self,
        durable: Durable,
        journal: Journal,
        backlog: Backlog,
        sessions: Sessions,
        reunion: Reunion,
        bounds: Bounds,
        *,
        subscribers: Collection[Subscriber],
        taken: Callable[[int], None],
        awaiting: Callable[[], None],
    ) -> None:
        """`subscribers` is a view of all there are at any time; `awaiting`: somebody owes a receipt."""
        self._durable = durable
        self._journal = journal
        self._backlog = backlog
        self._sessions = sessions
        self._reunion = reunion
        self._bounds = bounds
        self._subscribers = subscribers
        self._taken = taken
        self._awaiting = awaiting
        self._is_rising = False

    @property
    def number(self) -> int:
        return self._durable.cursor(Lane.IOPUB)

    def rise(self, step: int) -> None:
        """As far as it may."""
        if self._is_rising:  # giving up a session calls back
            return
        self._is_rising = True
        try:
            self._rise(step)
        finally:
            self._is_rising = False

    def insist(self, step: int) -> None:
        """Let go of what was kept longest for want of a receipt, when it is too much."""
        enough = self._backlog.number_before(step, self._bounds.unreceipted // 2)
        for subscriber in self._subscribers:
            subscriber.assumed = max(subscriber.assumed, min(enough, subscriber.position))

    def _rise(self, step: int) -> None:
        now = self.number
        counting = [each for each in self._subscribers if each.counts and each.position >= now]
        wanted = min(step, *(each.settled for each in counting)) if counting else now
        if any(each.settled < each.position for each in self._subscribers):
            self._awaiting()
        if wanted > now and self._keep(now, wanted):
            self._durable.advance(Lane.IOPUB, wanted)
            self._backlog.drop_through(wanted)
            self._taken(wanted)
        needed = min(self._needs(), default=None)
        if needed is None:
            self._journal.clear()
        else:
            self._journal.drop_through(needed)

    def _needs(self) -> list[int]:
        """Positions from which on the journal must be complete."""
        now = self.number
        reading = [
            each.settled
            for each in self._subscribers
            if each.standing is Standing.WAITING or (each.counts and each.settled < now)
        ]
        return [*self._sessions.needs(), *self._reunion.positions(), *reading]

    def _keep(self, now: int, wanted: int) -> bool:
        """Write to the journal what somebody who is not here needs."""
        if min(self._needs(), default=wanted) >= wanted:
            return True
        try:
            for record in self._backlog.between(max(now, self._journal.last), wanted):
                self._journal.append(record)
        except OSError as problem:
            _log.error("Nothing can be kept for clients that are away: %s", problem.strerror)
            return not self._sessions.give_up_oldest("the disk takes no more")
        while self._journal.size > self._bounds.journal and self._sessions.give_up_oldest("too much came for it"):
            self._journal.drop_through(min(self._needs(), default=self._journal.last))
        return True
