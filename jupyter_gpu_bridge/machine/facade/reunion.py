"""After this process was killed: the subscribers of the one before reconnect, in any order, and go on where they were.

Most carry no name, so all that can be known is how many each process had, and how far they were. Until all are back, or
some time is over, nothing is broadcast. Those with a name go on exactly where they were, also if they are late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from jupyter_gpu_bridge.machine.facade.processes import Process
from jupyter_gpu_bridge.machine.facade.session import LeftBehind
from jupyter_gpu_bridge.machine.facade.sessions import Sessions


class Reunion:
    def __init__(
        self, left: list[LeftBehind], sessions: Sessions, seconds: float, *, complete: Callable[[], None]
    ) -> None:
        self._missing = [each for each in left if each.process.alive]
        self._named = {(each.process, each.session): each.position for each in self._missing if each.session}
        self._sessions = sessions
        self._complete = complete
        self._timer = asyncio.get_running_loop().call_later(seconds, self._over) if self._missing else None

    @property
    def is_on(self) -> bool:
        return self._timer is not None

    def positions(self) -> Iterable[int]:
        return [each.position for each in self._missing]

    def position_of(self, process: Process) -> int | None:
        """Where a subscriber of that process goes on; of several, where the last of them was: nothing may be lost."""
        return min((each.position for each in self._missing if each.process == process), default=None)

    def knows(self, process: Process, session: bytes) -> bool:
        return (process, session) in self._named

    def take_named(self, process: Process, session: bytes) -> int | None:
        """Where the subscriber of that session was; it is asked once."""
        return self._named.pop((process, session), None)

    def came(self, process: Process) -> None:
        """One is back, and has a durable slot of its own."""
        positions = [each for each in self._missing if each.process == process]
        # The one that was furthest ahead is struck off first, so that the next is given the lowest position, too.
        back = max(positions, key=lambda each: each.position)
        self._missing.remove(back)
        back.slot.free()
        if len(positions) == 1:
            self._sessions.subscribers_back(process)
        if not self._missing:
            self._over()

    def cancel(self) -> None:
        """Without a word: the slots of those that are missing stay, for the next process."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _over(self) -> None:
        self.cancel()
        missing, self._missing = self._missing, []
        for each in missing:
            each.slot.free()
        self._complete()
