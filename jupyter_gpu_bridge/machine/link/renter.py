"""Whoever finds a machine for a link, and looks after it."""

from __future__ import annotations

from typing import Protocol

from jupyter_gpu_bridge.machine.link.stages import Report, StageTimes
from jupyter_gpu_bridge.machine.link.target import Target


class Renter(Protocol):
    @property
    def times(self) -> StageTimes: ...

    async def provide(self, report: Report) -> Target:
        """See to it that there is a machine, which may take minutes; where it is."""

    def outcome(self, error: BaseException | None) -> None:
        """Whoever was given the machine, or waited for it, could not use it for this error; or could."""

    def look(self) -> None:
        """Whether there is still to be a machine may have been written down anew just now."""

    def release(self, because: str) -> None:
        """There is to be no machine, says somebody who could not write it down."""
