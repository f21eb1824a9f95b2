"""The ways in which a machine that was rented cannot be used: whoever ranks its host later is told which it was."""

from __future__ import annotations

from typing import ClassVar

from jupyter_gpu_bridge.errors import BridgeError, MachineUnfit, PeerMisbehaved, RentFailed
from jupyter_gpu_bridge.model import Outcome


class MachineFailed(RentFailed):
    """By its own fault, or its host's; other reasons, such as a limit that came first, say nothing of a host."""

    outcome: ClassVar[Outcome]


class BootFailed(MachineFailed):
    outcome = Outcome.BOOT_FAILED


class NeverEntered(MachineFailed):
    outcome = Outcome.NEVER_ENTERED


class SetUpFailed(MachineFailed):
    """It could be entered: whoever wants to can look why."""

    outcome = Outcome.SET_UP_FAILED


def never_entered(error: BridgeError, minutes: int) -> MachineFailed:
    why = error.what.rstrip(".")
    if isinstance(error, MachineUnfit | PeerMisbehaved):
        return SetUpFailed(f"its set-up failed for {minutes} min ({why})")
    return NeverEntered(f"no SSH after {minutes} min ({why})")
