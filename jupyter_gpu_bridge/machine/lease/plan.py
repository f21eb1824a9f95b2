"""What a machine is told about its lease before it boots."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta

from jupyter_gpu_bridge.model import RemovalStep, WhenBusy


@dataclass(frozen=True, slots=True)
class HostKey:
    """By which we know the machine again."""

    private: str = field(repr=False)
    """As OpenSSH writes it."""
    public: str = ""
    """`TYPE BASE64`; without it the machine derives it."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How the daemon counts; tests make it quick, and show it another clock."""

    tick: float = 2.0
    """Seconds between two looks."""
    beat: float = 10.0
    """Seconds between two times that the agent says whether a kernel is busy."""
    quiet: float = 60.0
    """Seconds without a word of a busy kernel after which none is."""
    kernel_patience: int = 10
    """Seconds that keepers have to stop their kernels."""
    first_retry: int = 30
    last_retry: int = 15 * 60
    call: int = 30
    """Seconds that one call may take."""
    state_every: int = 10
    """Seconds at most between two times that the state is written down."""
    pause_with: str = "sleep"
    """The program that waits so many seconds."""
    clock: str = ""
    """A file like /proc/uptime."""
    boot_id: str = ""
    """A file like /proc/sys/kernel/random/boot_id."""


@dataclass(frozen=True, slots=True)
class LeasePlan:
    """All in seconds: the machine knows nothing of money and dates."""

    name: str
    """Of this attempt: a start script of another name is for another machine, whatever lies on the disk."""
    first_lease: timedelta
    """For how long it lives when nobody ever reaches it."""
    deadline: timedelta
    """By then it is being removed, counted from the first start, whatever anybody grants."""
    when_busy: WhenBusy = WhenBusy.FINISH
    grace: timedelta = timedelta(minutes=2)
    """The most that the save hook may take; it ends before the deadline, which leaves it half of the time at most."""
    removal: tuple[RemovalStep, ...] = ()
    host_key: HostKey | None = None
    pace: Pace = Pace()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", self.name):
            raise ValueError(f"{self.name!r} cannot be the name of a machine")
        if self.first_lease <= timedelta(0) or self.deadline <= timedelta(0):
            raise ValueError("a lease and a deadline are longer than nothing")
